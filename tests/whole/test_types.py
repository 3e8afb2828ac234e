"""A user's script satisfies mypy, which knows what everything is; and refuses wrong ones."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import rnnkit

pytest.importorskip('mypy')

HEAD = '''"""What a user writes."""

from typing import Any, NamedTuple

import numpy as np

import rnnkit

T, B = 20, 8


def batch(rng: np.random.Generator) -> list[np.ndarray]:
    x = rng.standard_normal((T, B, 3)).astype('float32')
    return [x, x[..., :1]]


net = rnnkit.Regressor([3, ('lstm', 10), 1], loss=dict(form='huber', delta=0.5), seed=0)
'''

GOOD = """
train, valid = net.train(batch, algo='adam', epochs=3, batch_size=16, weight_l2=1e-4)
error: float = valid['loss']
stop = rnnkit.callbacks.EarlyStop('loss', patience=3)
rate = rnnkit.schedules.Exponential(0.01, 0.1)
for train, valid in net.itertrain(batch, epochs=2, callbacks=[stop], learning_rate=0.01):
    print(train['loss'], valid['loss'])
x, y = batch(np.random.default_rng(0))
print(net.predict(x).shape, net.score(x, y), net.history['loss'])
out, state = net.step(x[0])
net.save('net.rnn')
classifier = rnnkit.Classifier([3, dict(form='gru', size=8, dropout=0.1), 'last', 4])
print(classifier.predict_proba(x), classifier.predict(x))
print(rnnkit.load('net.rnn').predict_proba(x))


class LeakyState(NamedTuple):
    h: Any


@rnnkit.layers.add('leaky')
class Leaky(rnnkit.Cell):
    state = LeakyState
    gates = 'h'


def report(training: rnnkit.callbacks.Training) -> None:
    print(training.record['loss'], training.epoch)


net.train(batch, callbacks=report, checkpoint='run.rnn', save_every=10, hidden_dropout=0.1)
weights: np.ndarray = net.find('hid1', 'xh').get_value()
reveal_type(net)
reveal_type(classifier.predict_proba)
reveal_type(Leaky)
reveal_type(rnnkit.Classifier.load('net.rnn'))
reveal_type(net.train)
"""

REVEALED = [
    'rnnkit.models.regressor.Regressor',
    'def (x: ',
    '-> good.Leaky',
    'rnnkit.models.classifier.Classifier',
    'epochs: int | None =',
]

WRONG = {
    'net.tran(batch)': 'attr-defined',
    "net.train(batch, epochs='three')": 'arg-type',
    'net.train(batch, algo=3)': 'arg-type',
    'net.train(batch, batch_size=1.5)': 'arg-type',
    "net.train(batch, patience='long')": 'arg-type',
    'net.itertrain(batch, restore_best=3)': 'arg-type',
    'rnnkit.Regresor([1, 2])': 'attr-defined',
    'rnnkit.Regressor([1, 2], loss=3)': 'arg-type',
    "rnnkit.Regressor([1, 2], seed='x')": 'arg-type',
    'net.save(3)': 'arg-type',
    'net.predict_proba(1)': 'attr-defined',
}


def check(folder, name, text):
    """Return what mypy --strict prints of a script."""
    (folder / name).write_text(text, encoding='utf-8')
    package = Path(rnnkit.__file__).parents[1]
    paths = {} if package.name == 'site-packages' else {'MYPYPATH': str(package)}
    done = subprocess.run(
        [
            sys.executable,
            '-m',
            'mypy',
            '--strict',
            '--follow-imports=silent',
            f'--cache-dir={folder.parent / "mypy"}',
            name,
        ],
        cwd=folder,
        env={**os.environ, **paths},
        capture_output=True,
        encoding='utf-8',
        timeout=300,
    )
    assert done.returncode in (0, 1), done.stderr + done.stdout
    return done.stdout


@pytest.mark.long
def test_mypy_accepts_what_is_right_and_refuses_what_is_wrong(tmp_path):
    found = check(tmp_path, 'good.py', HEAD + GOOD)
    assert 'error' not in found, found
    revealed = re.findall(r'Revealed type is "(.*)"', found)
    assert len(revealed) == len(REVEALED)
    for text, pattern in zip(revealed, REVEALED, strict=True):
        assert any(part in text for part in pattern.split('|')), text
    lines = HEAD + '\n'.join(WRONG) + '\n'
    found = check(tmp_path, 'wrong.py', lines)
    first = HEAD.count('\n') + 1
    errors = dict(re.findall(r'wrong\.py:(\d+): error: .*\[([\w-]+)\]', found))
    expected = {str(first + k): code for k, code in enumerate(WRONG.values())}
    assert errors == expected, found
