"""Every word that theanets had for a network: built, trained, saved, loaded; the same predictions.

The table `WORDS` lists them by what they are words for. `ROWS` uses each at least once, several
in a network where they do not hide each other. `GONE` are those that rnnkit has not, on purpose.
"""

import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from long_forms import long_unless

import rnnkit
from rnnkit.errors import ConfigError

RNG = np.random.default_rng(11)
T, B, I, O = 4, 6, 3, 2  # noqa: E741 - the letters of all documents
X, Y = RNG.standard_normal((T, B, I)), RNG.random((T, B, O))
LABELS = RNG.integers(0, O, (T, B))
WEIGHTS = RNG.random((T, B, O))
FLAT, FLAT_Y, FLAT_LABELS = X[0], Y[0], LABELS[0]
SHARES = Y / Y.sum(axis=-1, keepdims=True)

WORDS = {
    'forms': """input ff feedforward classifier softmax tied product prod concatenate concat flatten
        flat reshape conv1 rnn bcrnn rrnn lrrnn arrnn mrnn lstm gru mut1 scrn clockwork
        bidirectional""",
    'keywords of layers': """size shape name inputs activation mean std sparsity diagonal radius
        mean_b std_xh sparsity_xh diagonal_hh radius_hh direction bptt_limit h_0 c_0 s_0
        num_modules rate factors context_size periods worker ndim partner filter_size stride
        border_mode""",
    'rates': 'matrix vector uniform log',
    'activations': """linear logistic sigmoid tanh softmax softplus relu rect:max rect:min
        rect:minmax norm:mean norm:max norm:std norm:z norm:dc prelu leaky-relu lgrelu
        leaky-gain-relu elu maxout:2 trel trec tlin relu+norm:z""",
    'losses': """mse meansquarederror mae xe crossentropy hinge kl kld gll mmd mean_name covar_name
        covar_eps kernel add_loss set_loss weight""",
    'of networks': """Autoencoder Regressor Classifier loss weighted rng""",
    'regularizers': """input_noise hidden_noise output_noise noise input_dropout hidden_dropout
        output_dropout dropout weight_l2 weight_decay weightl2 weight_l1 weight_sparsity hidden_l1
        hidden_sparsity recurrent_norm recurrent_state contractive wrt pattern""",
    'algos': """sgd nag rprop rmsprop adagrad adadelta esgd adam sample layerwise supervised
        pretrain unsupervised""",
    'keywords of training': """algo subalgo algorithm optimize batch_size train_batches
        valid_batches iteration_size axis rng max_updates patience validate_every min_improvement
        learning_rate momentum nesterov max_gradient_norm max_gradient_elem max_gradient_clip
        gradient_clip rms_halflife rms_regularizer rprop_increase rprop_decrease rprop_min_step
        rprop_max_step beta1_halflife beta2_halflife monitors monitor_gradients save_every
        save_progress hidden_dropouts input_dropouts output_dropouts""",
}
GONE = {
    'conv2': ('Regressor', [I, {'form': 'conv2', 'size': 2, 'filter_size': (1, 1)}, O]),
    'pool1': ('Regressor', [I, 'pool1', O]),
    'pool2': ('Regressor', [I, 'pool2', O]),
    'sparse': ('Regressor', [{'form': 'input', 'size': I, 'sparse': True}, O]),
    'shape': ('Regressor', [(28, 28, 1), O]),
}


@dataclass(frozen=True)
class Row:
    """A network, its data, and the trainings that it goes through.

    Attributes
    ----------
    layers : list
    trainings : tuple of dict
        The keywords of each.
    model : str
    options : dict
        Other keywords of the network.
    data : list of arrays
        Of a training; the first is what predictions are made for.
    losses : tuple of (loss, keywords)
        For `add_loss`; for `set_loss`, if the first loss is ``'set'``.
    """

    layers: list
    trainings: tuple[dict, ...] = ({},)
    model: str = 'Regressor'
    options: dict = field(default_factory=dict)
    data: Any = (X, Y)
    losses: tuple = ()

    def words(self) -> set[str]:
        """Return every word in it."""
        used = {'add_loss' if word != 'set' else 'set_loss' for word, _ in self.losses}
        return used | set(
            _words(
                [
                    self.layers,
                    self.trainings,
                    self.model,
                    self.options,
                    [k for _, k in self.losses],
                    [word for word, _ in self.losses],
                ]
            )
        )


def _words(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, one in value.items():
            yield from _words(key)
            yield from _words(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _words(one)


def through(*layers, **options):
    """Return a row with such hidden layers between numbers of a recurrent network."""
    return Row([I, ('rnn', 2), *layers, O], **options)


def alone(*layers, **options):
    """Return a row of a network without time."""
    return Row([I, *layers, O], **{'data': (FLAT, FLAT_Y), **options})


def trained(*trainings, **options):
    return alone(('tanh', 3), trainings=trainings, **options)


ROWS = {
    # --- 1.1 and 1.4: how layers are written, and layers without time
    'tuples in any order': alone((3, 'tanh'), ('relu', 3), ['ff', 3], ('feedforward', 3), (3,)),
    'input dict': Row(
        [
            {'form': 'input', 'name': 'h0', 'size': I, 'ndim': 2},
            {'size': 3, 'inputs': 'h0', 'name': 'a', 'activation': 'tanh'},
            {'form': 'ff', 'size': O, 'inputs': ('h0:out', 'a:pre')},
        ],
        data=(FLAT, FLAT_Y),
    ),
    'joined': alone(
        {'size': 3, 'name': 'a'},
        {'size': 3, 'name': 'b', 'inputs': 'in'},
        {'form': 'product', 'inputs': ('a', 'b'), 'name': 'c'},
        {'form': 'prod', 'inputs': ('a', 'c'), 'name': 'd'},
        {'form': 'concatenate', 'inputs': ('a', 'd'), 'name': 'e'},
        {'form': 'concat', 'inputs': ('e', 'b')},
    ),
    'shapes': alone(
        {'form': 'reshape', 'shape': (3, 1)},
        {'form': 'rnn', 'size': 2},
        {'form': 'flatten', 'steps': 3},
        {'form': 'ff', 'shape': (3,)},
        {'form': 'reshape', 'shape': (3,)},
    ),
    'flat': Row([I, {'form': 'flat', 'steps': T}, O], data=(X, FLAT_Y)),
    'conv1': through(
        {'form': 'conv1', 'size': 3, 'filter_size': 2, 'stride': 2, 'border_mode': 'valid'},
        data=(X, Y[:2]),
    ),
    'tied': Row([I, 2, {'form': 'tied', 'partner': 'hid1'}], model='Autoencoder', data=(FLAT,)),
    'tied, found by counting': Row(
        [I, ('tanh', 2), 'tied'],
        model='Autoencoder',
        data=(X[0],),
        trainings=({'algo': 'layerwise', 'subalgo': 'sgd'},),
    ),
    # --- 1.2: how parameters start
    'starts': Row(
        [
            I,
            {'form': 'rnn', 'size': 4, 'std': 0.1, 'mean': 0.01, 'sparsity': 0.2, 'radius': 0.9},
            {
                'form': 'lstm',
                'size': 4,
                'mean_b': 0.5,
                'std_xh': 0.2,
                'sparsity_xh': 0.5,
                'radius_hh': 1.1,
            },
            {'form': 'gru', 'size': 4, 'diagonal_hh': 0.5},
            {'form': 'rnn', 'size': 4, 'diagonal': 0.7},
            O,
        ]
    ),
    # --- 1.3: recurrent layers
    'simple': Row(
        [
            I,
            ('rnn', 3, 'relu'),
            {'form': 'rnn', 'size': 3, 'direction': 'backward', 'bptt_limit': 2},
            ('gru', 3),
            ('mut1', 3),
            O,
        ]
    ),
    'lstm': Row(
        [
            I,
            {'form': 'lstm', 'size': 2, 'name': 'a'},
            {'form': 'lstm', 'size': 2, 'h_0': 'a', 'c_0': 'a'},
            O,
        ]
    ),
    'mrnn, bcrnn, clockwork': Row(
        [
            I,
            {'form': 'mrnn', 'size': 3, 'factors': 2},
            {'form': 'bcrnn', 'size': 4, 'num_modules': 2},
            {'form': 'clockwork', 'size': 4, 'periods': [1, 2]},
            O,
        ]
    ),
    'rates': Row([I, {'form': 'rrnn', 'size': 2, 'rate': 'matrix'}, ('lrrnn', 2), O]),
    'fixed rates': Row([I, {'form': 'rrnn', 'size': 2, 'rate': 'uniform'}, ('arrnn', 2), O]),
    'scrn': Row(
        [
            I,
            {'form': 'scrn', 'size': 3, 'rate': 'vector', 'context_size': 2, 'name': 'a'},
            {'form': 'scrn', 'size': 2, 'context_size': 2, 's_0': 'a:last_s', 'rate': 'log'},
            O,
        ]
    ),
    'bidirectional': Row(
        [I, ('bidirectional', 4), {'form': 'bidirectional', 'size': 4, 'worker': 'lstm'}, O]
    ),
    # --- 1.5: activations
    'relus': alone((4, 'relu'), (4, 'rect:max'), (4, 'rect:min'), (4, 'rect:minmax'), (4, 'trel')),
    'smooth': alone(
        (4, 'logistic'), (4, 'sigmoid'), (4, 'tanh'), (4, 'softplus'), (4, 'linear'), (4, 'elu')
    ),
    'old': alone((4, 'trec'), (4, 'tlin'), (4, 'tanh')),
    'norms': alone(
        (4, 'norm:mean'),
        (4, 'norm:max'),
        (4, 'norm:std'),
        (4, 'norm:z'),
        (4, 'norm:dc'),
        (4, 'relu+norm:z'),
        (4, 'softmax'),
    ),
    'learned': alone(
        (4, 'prelu'), (4, 'leaky-relu'), (4, 'lgrelu'), (4, 'leaky-gain-relu'), (4, 'maxout:2')
    ),
    # --- 1.6 and 1.8: losses and models
    'mse': alone(3, options={'loss': 'meansquarederror', 'rng': 13}),
    'mae': through(options={'loss': 'mae', 'weighted': True}, data=(X, Y, WEIGHTS)),
    'several': alone(3, losses=(('mse', {}), ('mae', {'weight': 0.1}))),
    'set': alone(3, losses=(('set', {'loss': 'mae', 'weight': 0.5}),)),
    'kl': through(options={'loss': 'kl'}, data=(X, SHARES)),
    'kld': Row([I, (O, 'softmax')], options={'loss': 'kld'}, data=(FLAT, SHARES[0])),
    'gll': Row(
        [
            I,
            dict(size=O, name='m', activation='linear'),
            dict(size=O, name='v', activation='softplus', inputs='in'),
        ],
        options={'loss': {'form': 'gll', 'mean_name': 'm', 'covar_name': 'v', 'covar_eps': 1e-3}},
        data=(FLAT, FLAT_Y),
    ),
    'mmd': alone(3, options={'loss': {'form': 'mmd', 'kernel': 2.0}}),
    'labels': Row([I, ('rnn', 3), O], model='Classifier', data=(X, LABELS)),
    'classifier': Row(
        [I, ('classifier', O)],
        model='Classifier',
        options={'loss': 'crossentropy'},
        data=(FLAT, FLAT_LABELS),
    ),
    'softmax': Row(
        [I, (O, 'softmax')], model='Classifier', options={'loss': 'xe'}, data=(FLAT, FLAT_LABELS)
    ),
    'hinge': Row([I, O], model='Classifier', options={'loss': 'hinge'}, data=(FLAT, FLAT_LABELS)),
    'sequences': Row([I, ('lstm', 2), I], model='Autoencoder', data=(X,)),
    # --- 1.7: regularizers
    'noise': trained(
        {'input_noise': 0.1, 'hidden_noise': 0.1, 'output_noise': 0.1}, {'noise': {'hid1': 0.1}}
    ),
    'dropout': trained(
        {'input_dropout': 0.1, 'hidden_dropout': 0.1, 'output_dropout': 0.1},
        {'dropout': {'hid1': 0.1}},
        {'input_dropouts': 0.1, 'hidden_dropouts': 0.1, 'output_dropouts': 0.1},
    ),
    'weights': trained(
        {'weight_l2': 0.1, 'weight_l1': 0.1},
        {'weight_decay': 0.1},
        {'weightl2': 0.1},
        {'weight_sparsity': {'weight': 0.1, 'pattern': '*.w'}},
    ),
    'hidden': trained({'hidden_l1': 0.1}, {'hidden_sparsity': 0.1}),
    'states': through(
        trainings=(
            {
                'recurrent_norm': {'weight': 0.1, 'pattern': 'hid1'},
                'recurrent_state': {'weight': 0.1, 'pattern': '*'},
            },
        )
    ),
    'contractive': trained({'contractive': {'weight': 0.1, 'wrt': '*'}}),
    # --- 1.9 to 1.11: monitors, rules, and the keywords of a training
    'monitors': trained({'monitors': {'hid1:out': (0.1, 0.9)}, 'monitor_gradients': True}),
    'rules': trained(
        {'algo': 'sgd', 'momentum': 0.5, 'nesterov': True},
        {'algo': 'nag'},
        {
            'algo': 'rprop',
            'rprop_increase': 1.01,
            'rprop_decrease': 0.99,
            'rprop_min_step': 0.0,
            'rprop_max_step': 100.0,
        },
        {'algo': 'rmsprop', 'rms_halflife': 14, 'rms_regularizer': 1e-8},
        {'algo': 'adagrad', 'rms_regularizer': 1e-8},
        {'algo': 'adadelta'},
        {'algo': 'esgd'},
        {'algo': 'adam', 'beta1_halflife': 7, 'beta2_halflife': 69},
    ),
    'pretraining': trained(
        {'algo': 'sample'},
        {'algo': 'layerwise', 'subalgo': 'sgd'},
        {'algo': 'supervised'},
        {'algo': 'pretrain'},
        {'algo': 'unsupervised'},
    ),
    'counts': trained(
        {
            'batch_size': 3,
            'train_batches': 2,
            'valid_batches': 1,
            'patience': 1,
            'validate_every': 1,
            'min_improvement': 0.01,
            'learning_rate': 1e-3,
            'max_gradient_norm': 1.0,
            'max_gradient_elem': 1.0,
        }
    ),
    'old words': trained(
        {'algorithm': 'sgd', 'iteration_size': 1, 'rng': 13, 'axis': 0, 'max_gradient_clip': 1.0},
        {'optimize': 'sgd', 'max_updates': 1, 'gradient_clip': 1.0},
    ),
    'files': trained({'save_progress': 'PATH', 'save_every': 1}),
}


def train(net, row, keywords, folder):
    """Train for an epoch, or as the keywords say."""
    given = {k: str(folder / 'old-{}.rnn') if v == 'PATH' else v for k, v in keywords.items()}
    if not {'max_updates'} & set(given) and given.get('algo') != 'sample':
        given['epochs'] = 1
    net.train(row.data[0] if len(row.data) == 1 else list(row.data), **given)


# Several recurrent layers each: what they are is tested one by one elsewhere as well.
LARGE = (
    'simple',
    'starts',
    'lstm',
    'mrnn, bcrnn, clockwork',
    'rates',
    'fixed rates',
    'scrn',
    'bidirectional',
)


@pytest.mark.parametrize('name', long_unless(lambda name: name not in LARGE, ROWS))
def test_word(name, tmp_path):
    row = ROWS[name]
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', DeprecationWarning)  # some words are old
        seed = {} if 'rng' in row.options else {'seed': 1}
        net = getattr(rnnkit, row.model)(row.layers, **row.options, **seed)
        for loss, keywords in row.losses:
            net.set_loss(**keywords) if loss == 'set' else net.add_loss(loss, **keywords)
        for keywords in row.trainings:
            before = [p.get_value() for p in net.params]
            train(net, row, keywords, tmp_path)
            after = [p.get_value() for p in net.params]
            assert any(np.any(a != b) for a, b in zip(before, after, strict=True)), keywords
    path = tmp_path / 'net.rnn'
    net.save(path)
    again = rnnkit.load(path)
    assert again.to_spec() == net.to_spec()
    found, wanted = again.predict(row.data[0]), net.predict(row.data[0])
    assert np.isfinite(wanted).all()
    assert np.ptp(wanted) > 0 or net._integer_targets
    np.testing.assert_array_equal(found, wanted)


def test_every_word_is_in_the_table():
    used = set().union(*(row.words() for row in ROWS.values()))
    missing = {kind: sorted(set(words.split()) - used) for kind, words in WORDS.items()}
    assert not any(missing.values()), {k: v for k, v in missing.items() if v}


@pytest.mark.parametrize('word', GONE)
def test_a_word_that_is_gone_says_so(word):
    model, layers = GONE[word]
    with pytest.raises(ConfigError, match='is not here|was not|nor did') as error:
        getattr(rnnkit, model)(layers)
    assert len(str(error.value)) > 40
