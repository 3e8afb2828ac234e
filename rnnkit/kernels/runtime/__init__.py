"""Compiled kernels: kept on disk, called from Python and from Numba, wrapped in Ops."""
