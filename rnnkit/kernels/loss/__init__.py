"""Means of errors, softmax and cross-entropy."""
