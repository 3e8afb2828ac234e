"""JAX: lax.scan, jitted as a whole, the input product taken out of the loop."""

import jax
import jax.numpy as jnp
import numpy as np
from workloads import LEARNING_RATE, MAX_GRADIENT_NORM, Workload

UPDATES = 1
GATES = {'lstm': 4, 'gru': 3, 'rnn': 1}


def lstm(carry, z, p):
    """One step of an LSTM."""
    h, c = carry
    i, f, g, o = jnp.split(z + h @ p['hh'], 4, axis=-1)
    c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
    h = jax.nn.sigmoid(o) * jnp.tanh(c)
    return (h, c), h


def gru(carry, z, p):
    """One step of a GRU that resets after the product."""
    (h,) = carry
    (xr, xz, xn), (hr, hz, hn) = jnp.split(z, 3, axis=-1), jnp.split(h @ p['hh'], 3, axis=-1)
    r, u = jax.nn.sigmoid(xr + hr), jax.nn.sigmoid(xz + hz)
    h = (1 - u) * jnp.tanh(xn + r * (hn + p['bn'])) + u * h
    return (h,), h


def rnn(carry, z, p):
    """One step of a vanilla RNN."""
    h = jnp.tanh(z + carry[0] @ p['hh'])
    return (h,), h


def parameters(w: Workload):
    """Return initial parameters, drawn uniformly."""
    rng = np.random.default_rng(1)

    def draw(*shape):
        return jnp.asarray(rng.uniform(-0.1, 0.1, shape), 'float32')

    n, sizes = GATES[w.cell], [w.I] + [w.H] * w.depth
    layers = [
        {'xh': draw(i, n * w.H), 'hh': draw(w.H, n * w.H), 'b': draw(n * w.H), 'bn': draw(w.H)}
        for i in sizes[:-1]
    ]
    return {'layers': layers, 'w': draw(w.H, w.O), 'b': draw(w.O)}


def build(workload: Workload, threads: int):
    """Return functions that train and predict. Threads cannot be set inside the process."""
    step = {'lstm': lstm, 'gru': gru, 'rnn': rnn}[workload.cell]
    n_states = 2 if workload.cell == 'lstm' else 1

    def forward(p, x):
        for layer in p['layers']:
            zero = jnp.zeros((x.shape[1], workload.H), x.dtype)
            z = x @ layer['xh'] + layer['b']
            _, x = jax.lax.scan(lambda c, z, q=layer: step(c, z, q), (zero,) * n_states, z)
        return x @ p['w'] + p['b']

    @jax.jit
    def update(p, square, x, y):
        loss, g = jax.value_and_grad(lambda p: jnp.mean((forward(p, x) - y) ** 2))(p)
        norm = jnp.sqrt(sum(jnp.sum(a * a) for a in jax.tree.leaves(g)))
        scale = jnp.minimum(1, MAX_GRADIENT_NORM / (norm + 1e-6))
        g = jax.tree.map(lambda a: a * scale, g)
        square = jax.tree.map(lambda s, a: 0.99 * s + 0.01 * a * a, square, g)
        p = jax.tree.map(lambda w, s, a: w - LEARNING_RATE * a / (jnp.sqrt(s) + 1e-8), p, square, g)
        return p, square, loss

    x, y = workload.batch()
    p = parameters(workload)
    state = [p, jax.tree.map(jnp.zeros_like, p)]
    infer = jax.jit(forward)

    def train():
        state[0], state[1], loss = update(*state, x, y)
        return float(loss)  # reading the loss waits for the computation

    return train, lambda: np.asarray(infer(state[0], x))
