"""Trained networks at work: predictions, states, generated sequences."""
