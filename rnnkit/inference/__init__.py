"""Inference: predictions, hidden states, generated sequences."""
