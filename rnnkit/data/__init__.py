"""Arrays and sequences, from what users pass to batches. NumPy only: knows no graph."""
