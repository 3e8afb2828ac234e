"""Sequences for tests of estimators: small, and easy to learn."""

import numpy as np


def labelled(n=24, seed=0, features=2, least=4, most=8):
    """Return ragged sequences, and the labels 'down' and 'up', the sign of their slope."""
    rng = np.random.default_rng(seed)
    y = np.array(['down', 'up'])[np.arange(n) % 2]
    X = []
    for label in y:
        steps = rng.integers(least, most + 1)
        slope = np.linspace(0, 1 if label == 'up' else -1, steps)
        X.append(
            slope[:, None] * np.arange(1, features + 1) + rng.normal(0, 0.1, (steps, features))
        )
    return X, y


def even(n=24, seed=0, steps=6, features=2):
    """Return an array (n, steps, features), and the labels."""
    X, y = labelled(n, seed, features, steps, steps)
    return np.stack(X), y
