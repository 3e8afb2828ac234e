"""Attention: weights over the steps of a memory, and weighted means, as kernels."""
