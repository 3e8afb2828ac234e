"""JAX: lax.scan, jitted as a whole, with the input product outside the loop."""

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
        for _ in range(2 if w.both_ways else 1)
    ]
    return {'layers': layers, 'w': draw(w.width, w.O), 'b': draw(w.O)}


def build(workload: Workload, threads: int):
    """Return functions that train and predict. Threads cannot be set inside the process."""
    step = {'lstm': lstm, 'gru': gru, 'rnn': rnn}[workload.cell]
    n_states = 2 if workload.cell == 'lstm' else 1

    def run(layer, x, **direction):
        zero = jnp.zeros((x.shape[1], workload.H), x.dtype)
        z = x @ layer['xh'] + layer['b']
        return jax.lax.scan(lambda c, z: step(c, z, layer), (zero,) * n_states, z, **direction)[1]

    def forward(p, x):
        if workload.both_ways:
            fw, bw = p['layers']
            x = jnp.concatenate([run(fw, x), run(bw, x, reverse=True)], axis=-1)
        else:
            for layer in p['layers']:
                x = run(layer, x)
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

    @jax.jit
    def advance(p, carry, x):
        layer = p['layers'][0]
        carry, h = step(carry, x @ layer['xh'] + layer['b'], layer)
        return carry, h @ p['w'] + p['b']

    carry = [(jnp.zeros((workload.B, workload.H)),) * n_states]

    def one_step():
        carry[0], y = advance(p, carry[0], x[0])
        return np.asarray(y)

    if workload.stream:
        return {'step': one_step}
    return {'train': train, 'predict': lambda: np.asarray(infer(state[0], x))}
