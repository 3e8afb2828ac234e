"""The update of all parameters of a training."""
