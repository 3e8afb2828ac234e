"""A dense layer: ``x @ w + b``, and its gradients."""
