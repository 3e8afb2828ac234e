"""A language of SIMD vectors, written as LLVM IR, and what all kernels say in it."""
