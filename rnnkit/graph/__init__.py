"""Layers connected: which reads which, and the symbolic graph of their outputs."""
