"""Data that are given in a wrong way: what the error says to do about it."""

import io
import pathlib
import re

import numpy as np
import pytest

import rnnkit
from rnnkit.errors import RnnkitError

T, B = 5, 4
X, Y = np.zeros((T, B, 2)), np.zeros((T, B, 1))
LABELS = np.zeros((T, B), int)


def net_of(model=rnnkit.Regressor, layers=(2, ('rnn', 3), 1), **options):
    return model(list(layers), seed=0, **options)


class Loader:
    """An iterable of batches, such as other libraries have."""

    def __init__(self, batches):
        self.batches = batches

    def __iter__(self):
        return iter(self.batches)


class Examples:
    """A dataset of single examples, as PyTorch has it."""

    def __getitem__(self, k):
        return X[:, k], Y[:, k]

    def __len__(self):
        return B


def batches():
    yield [X, Y]


def one(size):
    return {'layers': (size, ('rnn', 3), 1)}


BATCH = {'layout': 'batch'}
CLASSIFIER = {'model': rnnkit.Classifier, 'layers': (2, ('rnn', 3), 2)}
STATIC = {'layers': (2, (3, 'tanh'), 1)}
SEQUENCES = [np.zeros((n, 2)) for n in (3, 4, 5)]
TARGETS = [one[:, :1] for one in SEQUENCES]

TOKENS = {'model': rnnkit.Classifier, 'layers': (4, ('rnn', 3), 4)}
SOME_TEXT = rnnkit.recurrent.Text('to be or not to be')
TEXT = '; turn text into numbers first, such as by encode() of a rnnkit.recurrent.Text'

# what: (network, call, the end of the message)
MISTAKES = {
    'a series of other features': (
        {},
        lambda net: net.predict(X[..., 0]),
        'predict(): x has 2 axes, shape (5, 4); a network with a recurrent layer expects '
        '(time, batch, features); one series is (time, features), of 2 features',
    ),
    'a time step': (
        BATCH,
        lambda net: net.predict(X[0, 0]),
        'expects (batch, time, features); a single time step of a single sequence is '
        'array[None, None]',
    ),
    'no axis of features': (
        one(1),
        lambda net: net.predict(X[..., 0]),
        '; 4 series of one feature are array[:, :, None]; one series of 4 features is '
        'array[:, None, :], in a network with 4 inputs',
    ),
    'no axis of features, batch first': (
        {**one(1), **BATCH},
        lambda net: net.predict(X[..., 0]),
        '; 5 series of one feature are array[:, :, None]; one series of 4 features is '
        'array[None], in a network with 4 inputs',
    ),
    'one step, or one series': (
        {**one(1), **BATCH},
        lambda net: net.predict(X[:, 0, :1]),
        '; 5 series of one feature and one step are array[:, :, None]; one series of 5 steps is '
        'array[None]',
    ),
    'a row': (
        {**one(1), **BATCH},
        lambda net: net.predict(X[:1, :, 0]),
        '; one series of one feature is array[:, :, None]; one series of 4 features is '
        'array[None], in a network with 4 inputs',
    ),
    'a series, and targets of several': (
        {},
        lambda net: net.train([X[:, 0], Y]),
        'train: y has length 4 on axis 1 (batch), but x has 1; the shape is (5, 4, 1). x, without '
        'an axis for several series, is one series of 5 steps',
    ),
    'batch first': (
        {'layers': (2, ('rnn', 3), 'last', 1)},
        lambda net: net.train([np.zeros((7, 5, 2)), np.zeros((7, 1))]),
        'train: y has length 7 on axis 0 (batch), but x has 5; the shape is (7, 1). x is read as '
        "(time, batch, features); for (batch, time, features) write layout='batch' in the network",
    ),
    'time first': (
        {'layers': (2, ('rnn', 3), 'last', 1), 'layout': 'batch'},
        lambda net: net.train([np.zeros((5, 7, 2)), np.zeros((7, 1))]),
        'train: y has length 7 on axis 0 (batch), but x has 5; the shape is (7, 1). x is read as '
        "(batch, time, features); for (time, batch, features) write layout='time' in the network",
    ),
    'no layout fits': (
        {'layers': (2, ('rnn', 3), 'last', 1)},
        lambda net: net.train([np.zeros((7, 5, 2)), np.zeros((6, 1))]),
        'train: y has length 6 on axis 0 (batch), but x has 5; the shape is (6, 1)',
    ),
    'examples for steps': (
        {'layers': (2, ('rnn', 3), 'last', 1)},
        lambda net: net.train([X[:, 0], Y[:, 0]]),
        'train: y has length 5 on axis 0 (batch), but x has 1; the shape is (5, 1). x, without '
        'an axis for several series, is one series of 5 steps',
    ),
    'an example': (
        STATIC,
        lambda net: net.predict(np.zeros(2)),
        'this network expects (examples, features); a single example is array[None]',
    ),
    'labels of a series': (
        CLASSIFIER,
        lambda net: net.train([X[:, :1], LABELS[:, 0]]),
        'train: y has 1 axes, shape (5,); a network with a recurrent layer expects (time, batch); '
        'a single sequence is array[:, None]',
    ),
    'targets of the last step': (
        {},
        lambda net: net.train([X, Y[-1]]),
        'train: y has 2 axes, shape (4, 1); a network with a recurrent layer expects (time, batch, '
        "features); for one target for each sequence, and not for each step, put 'last' before "
        'the output layer',
    ),
    'labels of the last step': (
        CLASSIFIER,
        lambda net: net.train([X, LABELS[-1]]),
        "and not for each step, put 'last' before the output layer",
    ),
    'targets of the last step of lists': (
        {'masked': True},
        lambda net: net.train([SEQUENCES, np.zeros((3, 1))]),
        "and not for each step, put 'last' before the output layer",
    ),
    'x and y': (
        {},
        lambda net: net.train(X, Y),
        'train: expects a list of arrays [x, y]; got array of shape (5, 4, 2); pass all arrays in '
        'one list: [x, y]',
    ),
    'lists of sequences for x and y': (
        {'masked': True},
        lambda net: net.train(SEQUENCES * 100, TARGETS * 100),
        'train: expects a list of arrays [x, y]; got a list of 300 sequences. Pass all in one '
        'list: [x, y], each of them an array or a list of sequences',
    ),
    'many arrays': (
        {},
        lambda net: net.train([X] * 50),
        'train: expects 2 arrays [x, y]; got 50: [array of shape (5, 4, 2), array of shape '
        '(5, 4, 2), array of shape (5, 4, 2), array of shape (5, 4, 2), ...]',
    ),
    'two batches': (
        {},
        lambda net: net.train([[X, Y], [X, Y]]),
        'train: expects one list of arrays [x, y]; got a list of 2 batches. Join them by '
        'np.concatenate, along the axis of examples, or pass a callable that returns a batch each '
        'time it is called, such as itertools.cycle(batches).__next__',
    ),
    'five batches': (
        {'masked': True},
        lambda net: net.train([(X, Y, LABELS)] * 5),
        'time it is called, such as itertools.cycle(batches).__next__',
    ),
    'a generator function': (
        {},
        lambda net: net.train(batches),
        'train is the generator function batches(), which makes a new generator each time it is '
        'called; pass a callable that returns a batch: train=batches().__next__',
    ),
    'a generator': (
        {},
        lambda net: net.train(batches()),
        'train is an iterator (generator), which can be read only once; say how many of its '
        'batches are for an epoch, train_batches=100, or pass an object that begins anew each time '
        'it is iterated over, such as a data loader',
    ),
    'a callable that makes generators': (
        {},
        lambda net: net.train(lambda: batches(), train_batches=1),
        'the batch returned by the train callable is a generator; the callable returns one batch '
        'each time it is called, such as the __next__ of a generator of batches',
    ),
    'an iterable': (
        {},
        lambda net: net.train([X, Y], Loader([[X, Y], [X, Y[:-1]]])),
        'batch 1 of valid: y has length 4 on axis 0 (time), but x has 5; the shape is (4, 4, 1)',
    ),
    'an iterable without a batch': (
        {},
        lambda net: net.train(Loader([]), [X, Y]),
        'train is an iterable (Loader) without a batch; each epoch is a new pass over it',
    ),
    'a dataset without batches': (
        {},
        lambda net: net.train(Examples()),
        'train: expects a list of arrays [x, y]; got Examples; batches of a dataset are made by a '
        'data loader, DataLoader(data, batch_size=32)',
    ),
    'a share of an iterable': (
        {},
        lambda net: net.train(Loader([[X, Y]]), valid=0.5),
        'train(): valid=0.5 holds out a part of arrays, and train is an iterable (Loader), which '
        'makes its own batches; pass another one, or arrays, as valid=',
    ),
    'x in a list': (
        {},
        lambda net: net.predict([X]),
        'predict(): x is a list of 1 arrays; pass one array (time, batch, features)',
    ),
    'x and y to predict': (
        {},
        lambda net: net.predict([X, Y]),
        'predict(): x is a list of 2 arrays; pass one array (time, batch, features)',
    ),
    'a list to evaluate': (
        {},
        lambda net: net.evaluate([X, Y]),
        'evaluate(): expects the targets by themselves, evaluate(x, y); got a list of 2 arrays',
    ),
    'a list to look at gradients': (
        {},
        lambda net: net.gradient_flow([X, Y]),
        'gradient_flow(): expects the targets by themselves, gradient_flow(x, y); got a list of 2 '
        'arrays',
    ),
    'a tuple with labels': (
        CLASSIFIER,
        lambda net: net.evaluate((X, LABELS)),
        'evaluate(): expects the targets by themselves, evaluate(x, y); got a list of 2 arrays',
    ),
    'lists of sequences in a list': (
        {'masked': True},
        lambda net: net.evaluate([SEQUENCES, TARGETS]),
        'evaluate(): expects the targets by themselves, evaluate(x, y); got a list of 2 arrays',
    ),
    'a dict to evaluate': (
        {},
        lambda net: net.evaluate({'x': X, 'y': Y}),
        'evaluate(): expects the targets by themselves, evaluate(x, y); got a dict of x, y',
    ),
    'no targets to evaluate': (
        {},
        lambda net: net.evaluate(X),
        'evaluate(): the targets are missing; write evaluate(x, y)',
    ),
    'sequences without targets': (
        {'masked': True},
        lambda net: net.evaluate(SEQUENCES),
        'evaluate(): the targets are missing; write evaluate(x, y)',
    ),
    'text as the seed': (
        TOKENS,
        lambda net: net.generate('to be', 10),
        f"generate(): seed must be an array of numbers; got 'to be'{TEXT}",
    ),
    'bytes as the seed': (
        TOKENS,
        lambda net: list(net.predict_sequence(b'to be', 10)),
        f"predict_sequence(): seed must be an array of numbers; got b'to be'{TEXT}",
    ),
    'texts as seeds': (
        TOKENS,
        lambda net: net.generate(['to be', 'or'], 10),
        f'generate(): seed must be real numbers; got an array of <U5{TEXT}',
    ),
    'text to predict': (
        {},
        lambda net: net.predict('to be'),
        f'predict(): x must be an array of numbers; got str{TEXT}',
    ),
    'text as the seed of numbers': (
        {'layers': (2, ('rnn', 3), 2)},
        lambda net: net.generate('to be', 10),
        f'generate(): seed must be an array of numbers; got str{TEXT}',
    ),
    'names of classes': (
        CLASSIFIER,
        lambda net: net.train([X, np.full((T, B), 'cat')]),
        "train: y has only the label 'cat', and the last layer 2 units, one for each class; name "
        'all classes: classes=[...]',
    ),
    'bytes as a text': (
        {},
        lambda net: rnnkit.recurrent.Text(b'to be'),
        'Text: the text must be a str or a list of str; got bytes; make them a str '
        "by .decode('utf-8')",
    ),
    'bytes to encode': (
        {},
        lambda net: SOME_TEXT.encode(bytearray(b'to')),
        'encode(): the text must be a str or a list of str; got bytearray; make them a str '
        "by .decode('utf-8')",
    ),
    'a list of bytes': (
        {},
        lambda net: SOME_TEXT.encode([b'to']),
        "encode(): the text must be a str or a list of str; it contains b'to'; make each a str "
        "by .decode('utf-8')",
    ),
    'a path as a text': (
        {},
        lambda net: rnnkit.recurrent.Text(pathlib.Path('a.txt')),
        f'Text: the text must be a str or a list of str; got {type(pathlib.Path()).__name__}; pass '
        "what read_text(encoding='utf-8') returns",
    ),
    'a file as a text': (
        {},
        lambda net: rnnkit.recurrent.Text(io.StringIO('to be')),
        'Text: the text must be a str or a list of str; got StringIO; pass what read() returns',
    ),
    'text to decode': (
        {},
        lambda net: SOME_TEXT.decode('to'),
        "decode(): expects numbers; got 'to'; encode() takes text",
    ),
    'a number to decode': (
        {},
        lambda net: SOME_TEXT.decode(1),
        'decode(): expects a list of numbers; got 1',
    ),
    'a number to fold': (
        {},
        lambda net: rnnkit.recurrent.fold(5, 2),
        'fold(): series must be an array whose first axis is time; got 5',
    ),
    'None to fold': (
        {},
        lambda net: rnnkit.recurrent.fold(None, 2),
        'fold(): series must be an array whose first axis is time; got None',
    ),
    'text to fold': (
        {},
        lambda net: rnnkit.recurrent.fold('abc', 2),
        "fold(): series must be an array whose first axis is time; got 'abc'",
    ),
    'a dict to fold': (
        {},
        lambda net: rnnkit.recurrent.fold({'a': 1}, 2),
        "fold(): series must be an array whose first axis is time; got {'a': 1}",
    ),
    'an iterator to fold': (
        {},
        lambda net: rnnkit.recurrent.fold(iter([1, 2]), 2),
        'fold(): series must be an array whose first axis is time; got an iterator, '
        'list_iterator; make it a list',
    ),
    'nothing to fold': (
        {},
        lambda net: rnnkit.recurrent.fold([], 2),
        'fold(): a series of 0 steps cannot be cut into 2 streams',
    ),
    'text to cut windows from': (
        {},
        lambda net: rnnkit.recurrent.batches('abc'),
        "batches(): arrays must be arrays whose first axis is time; got 'abc'",
    ),
    'a list of numbers to cut windows from': (
        {},
        lambda net: rnnkit.recurrent.batches([X, 7]),
        'batches(): arrays must be arrays whose first axis is time; got 7',
    ),
    'no array to cut windows from': (
        {},
        lambda net: rnnkit.recurrent.batches([]),
        'batches(): arrays must be arrays whose first axis is time; got an empty list',
    ),
    **{
        f'an array in {option}': (
            {},
            lambda net, option=option: net.train([X, Y], **{option: [X]}),
            end,
        )
        for option, end in {
            'monitors': "dicts such as {'hid1:out': (0.1, 0.9)}; got ndarray of shape (5, 4, 2)",
            'callbacks': 'functions of a Training; got ndarray of shape (5, 4, 2)',
            'learning_rate': 'number of updates; got list of 1: ndarray of shape (5, 4, 2)',
            'hidden_l1': 'dict with such a weight; got list of 1: ndarray of shape (5, 4, 2)',
            'dropout': "such as {'hid1': 0.2}; got list of 1: ndarray of shape (5, 4, 2). For all "
            'hidden layers there is hidden_dropout=0.2',
        }.items()
    },
    'an array as the name of a layer': (
        {'model': rnnkit.Autoencoder, 'layers': (2, ('rnn', 3), 2)},
        lambda net: net.encode(X, X),
        'known are: hid1, hid1:last, hid1:out, in, in:out, out, out:out, out:pre',
    ),
    'an array as the seed': (
        {'model': rnnkit.Autoencoder, 'layers': (2, (3, 'sigmoid'), 2)},
        lambda net: net.encode(X[0], sample=True, rng=X),
        'numpy.random.Generator; got ndarray of shape (5, 4, 2)',
    ),
    'an array as a number': (
        {},
        lambda net: net.train([X, Y], epochs=X),
        'whole number of at least 1; got ndarray of shape (5, 4, 2)',
    ),
}


@pytest.mark.parametrize('what', MISTAKES)
def test_the_error_says_what_to_do(what):
    options, call, message = MISTAKES[what]
    with pytest.raises(RnnkitError, match=f'{re.escape(message)}$') as found:
        call(net_of(**options))
    assert '[[' not in str(found.value)  # no array is printed


MASKED = np.ma.masked_equal(np.arange(T * B * 2.0).reshape(T, B, 2), 3)
ONES = np.ones((T, B))
OF_NUMPY = {
    'x': ({}, lambda net, a: net.predict(a)),
    'x of a list': ({'masked': True}, lambda net, a: net.predict([a[:, 0], a[:, 1]])),
    'x of an unmasked list': ({}, lambda net, a: net.predict([a[:, 0], a[:, 1]])),
    'y': ({}, lambda net, a: net.score(X, a[..., 1:])),
    'labels': (CLASSIFIER, lambda net, a: net.score(X, (a[..., 1] * 0).astype(int))),
    'weights': ({'weighted': True}, lambda net, a: net.score(X, Y, a[..., 1])),
    'mask': ({'masked': True}, lambda net, a: net.predict(X, mask=a[..., 1] >= 0)),
    'step': ({}, lambda net, a: net.step(a[0])),
    'the batch of a callable': (
        {},
        lambda net, a: net.train(lambda: [a, Y], train_batches=1, valid_batches=1, epochs=1),
    ),
    'valid': ({}, lambda net, a: net.train([X, Y], [a, Y], epochs=1)),
    'windows': ({}, lambda net, a: net.train([a, Y], epochs=1, carry_state=True)),
}


@pytest.mark.parametrize('name', OF_NUMPY)
def test_a_mask_of_numpy_is_not_lost(name):
    options, call = OF_NUMPY[name]
    net = net_of(**options)
    message = 'is a NumPy masked array, and its mask would be lost; pass a plain array, such as arr'
    with pytest.raises(RnnkitError, match=message):
        call(net, MASKED)
    call(net, np.ma.array(np.abs(MASKED.data)))  # in which nothing is masked
