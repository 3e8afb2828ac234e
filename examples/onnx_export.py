"""Run a network without rnnkit: train it, write it to an ONNX file, and run that in onnxruntime.

Copy `opened` and `stream` to run a network in onnxruntime, whole or step by step.

The network forecasts a noisy wave: from the steps so far it predicts the next one. The baseline
repeats the last value. The network is written twice: for whole sequences, and with `state=True` for
a stream, of which each call reads a single step. Both files must give what `predict` gives. Other
programs, in C++ or JavaScript, for example, can run the same two files.

The cell may be one that ONNX has an operator for, such as an LSTM, or any other, whose equations
are then written as a loop: `--form mut1`.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

import common
import numpy as np

import rnnkit


def main(*, form='lstm', steps=60, size=24, learning_rate=0.01, updates=1000, folder=None, seed=1):
    """Train a network, write it to two files, and run both."""
    rng = np.random.default_rng(seed)
    net = rnnkit.Regressor([1, (form, size), 1], seed=seed)

    def draw_batch():
        wave = waves(steps, 32, rng)
        return [wave[:-1], wave[1:]]

    net.train(draw_batch, epochs=1, train_batches=updates, algo='adam', learning_rate=learning_rate)
    wave = waves(steps, 500, rng)
    x, y = wave[:-1], wave[1:]
    expected = net.predict(x)

    with tempfile.TemporaryDirectory() as temporary:
        where = Path(folder or temporary)
        net.to_onnx(where / 'whole.onnx')
        net.to_onnx(where / 'stream.onnx', state=True)
        (found,) = opened(where / 'whole.onnx').run(None, {'in': x})
        session = opened(where / 'stream.onnx')
    streamed = np.stack([y_t for y_t, _ in stream(session, x)])
    seconds = [taken for _, taken in stream(session, x[:, :1])]

    difference = max(np.abs(found - expected).max(), np.abs(streamed - expected).max())
    if not difference < 1e-5:
        sys.exit(f'FAILED: the outputs of onnxruntime differ by {difference:.1e}')
    results = {
        'error': np.mean((streamed - y) ** 2) / np.mean((x - y) ** 2),
        'difference': difference,
        'updates': net.history[-1]['updates'],
        'step': 1e6 * np.median(seconds),
    }
    return results, (y[:, 0, 0], expected[:, 0, 0], streamed[:, 0, 0])


def opened(path):
    """Return a session of onnxruntime on one thread."""
    try:
        import onnxruntime
    except ImportError:
        sys.exit('onnxruntime is missing; run: pip install onnxruntime')
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=['CPUExecutionProvider'])


def stream(session, x):
    """Yield the output for each step of x (T, B, 1), and the seconds that it takes."""
    starts = json.loads(session.get_modelmeta().custom_metadata_map['rnnkit'])['states']
    sizes = {each.name: each.shape[1] for each in session.get_inputs()}
    # A sequence starts at 0, or at the values that the network has learned.
    states = {
        name: np.zeros((x.shape[1], sizes[name]), 'float32') + np.array(start, 'float32')
        for name, start in starts.items()
    }
    for x_t in x:
        start = time.perf_counter()
        y_t, *new = session.run(None, {'in': x_t[None], **states})
        states = dict(zip(states, new, strict=True))
        yield y_t[0], time.perf_counter() - start


def waves(steps, batch_size, rng):
    """Return noisy waves (T + 1, B, 1) of random periods and phases."""
    period = rng.uniform(8, 24, batch_size)
    phase = rng.uniform(0, 2 * np.pi, batch_size)
    wave = np.sin(2 * np.pi * np.arange(steps + 1)[:, None] / period + phase)
    return (wave + 0.1 * rng.standard_normal(wave.shape)).astype('float32')[..., None]


def draw(figure, target, ours, streamed):
    """Draw a new wave (T,) and the forecasts of both programs."""
    axes, time = figure.subplots(), np.arange(1, len(target) + 1)
    axes.plot(time, target, '.-', color='0.65', label='a new wave')
    axes.plot(time, ours, color='tab:blue', lw=3, alpha=0.5, label='forecast by rnnkit')
    axes.plot(time, streamed, '--', color='tab:orange', label='forecast by onnxruntime')
    axes.set(xlabel='time step', ylabel='value', title='One step ahead')
    common.legend(axes)


if __name__ == '__main__':
    common.run(
        main,
        draw,
        report=(
            'largest difference between onnxruntime and rnnkit: {difference:.1e}\n'
            'a step of one sequence takes {step:.0f} microseconds in onnxruntime\n'
            'error {error:.3f} times that of repeating the last value'
        ),
        tolerance=0.3,
        form="form of the recurrent layer, such as 'mut1'",
        folder=dict(metavar='FOLDER', help='where to keep the files; deleted if not given'),
    )
