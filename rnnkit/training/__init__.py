"""Training: options, the loss with its regularizers, the update, the loop, checkpoints."""
