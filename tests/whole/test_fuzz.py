"""Whatever is passed in: an error of rnnkit's own, or a right answer.

``RNNKIT_FUZZ=5000 pytest tests/whole/test_fuzz.py`` tries that many random examples of each kind,
other ones each time.
"""

import json
import os

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import rnnkit
from rnnkit.activations import activations
from rnnkit.common import old_words
from rnnkit.errors import FormatError, RnnkitError, TrainingError
from rnnkit.layers import short_forms
from rnnkit.layers.registry import layers as forms
from rnnkit.models.network import SETTINGS
from rnnkit.optimizers import optimizers

MANY = int(os.environ.get('RNNKIT_FUZZ', '0'))


def tried(count):
    return settings(
        max_examples=MANY or count,
        derandomize=not MANY,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


# Old words warn, whatever comes of them.
pytestmark = pytest.mark.filterwarnings('ignore::DeprecationWarning')

FORMS, WORDS = sorted(forms), [*sorted(activations), 'maxout:2', 'relu+norm:z', 'maxout:', '']
odd = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 5),
    st.floats(),
    st.text(max_size=3),
    st.sampled_from(['hid1', 'in', 'hid1:out', 'zeros', 'orthogonal', 'identity', *FORMS, *WORDS]),
    st.just(np.float32(2)),
    st.just(np.ones((2, 2))),
    st.just(object),
    st.just(b'x'),
)
values = st.one_of(odd, st.lists(odd, max_size=3), st.dictionaries(st.text(max_size=2), odd))
SHORT = [f'{word}{param}' for word in short_forms.KINDS for param in ('', '_hh', '_w', '_b', '_')]
OLD_WORDS = [*SHORT, *old_words.LAYER, *old_words.NOT_OF_LAYERS]
OPTIONS = sorted({name for form in forms for name in forms[form].options})
keys = st.sampled_from(
    [
        'form',
        'size',
        'name',
        'inputs',
        'trainable',
        'activation',
        'w',
        'b',
        'hh',
        'xh',
        *OPTIONS,
        'x',
        *OLD_WORDS,
    ]
)
sensible = st.fixed_dictionaries(
    {'form': st.sampled_from(FORMS)},
    optional={
        'size': st.integers(1, 4),
        'activation': st.sampled_from(WORDS),
    },
)
specs = st.one_of(
    sensible,
    st.integers(1, 4),
    odd,
    st.tuples(odd, odd),
    st.tuples(st.sampled_from(FORMS), odd),
    st.builds(lambda a, k, v: {**a, k: v}, sensible, keys, values),
    st.dictionaries(keys, values, max_size=3),
)


@st.composite
def nearly_right(draw):
    """Return a layer with the options that its form has, some of them of an odd kind."""
    form = draw(st.sampled_from(FORMS))
    spec = {'form': form}
    if forms[form].sized:
        spec['size'] = draw(st.sampled_from([1, 2, 3, 4, 6]))
    own = [*forms[form].options, 'w', 'xh', 'hh', 'b', 'inputs', 'name', 'trainable', *SHORT]
    for key in draw(st.lists(st.sampled_from(own), max_size=2, unique=True)):
        spec[key] = draw(
            st.one_of(
                values,
                st.sampled_from(WORDS),
                st.lists(st.integers(1, 3), min_size=1, max_size=3),
                st.sampled_from(['relu', 'in', ['in', 'hid1'], 'before', 'identity', 2, 0.5, True]),
            )
        )
    return spec


plain_layers = st.builds(
    lambda form, n: (form, n), st.sampled_from(['rnn', 'relu']), st.integers(1, 3)
)
networks = st.one_of(
    st.builds(
        lambda n, before, layer, after, m: [n, *before, layer, *after, m],
        st.integers(1, 3),
        st.lists(plain_layers, max_size=1),
        nearly_right(),
        st.lists(st.one_of(plain_layers, nearly_right()), max_size=1),
        st.integers(1, 3),
    ),
    st.lists(specs, max_size=4),
)
some_settings = st.dictionaries(
    st.sampled_from(
        [
            *SETTINGS[1:],
            'x',
            *old_words.NETWORK,
            *old_words.NOT_OF_NETWORKS,
        ]
    ),
    st.one_of(odd, st.sampled_from(['mse', 'mae', 'batch', 'float64'])),
    max_size=2,
)


@tried(150)
@given(networks, some_settings, st.sampled_from(['Regressor', 'Classifier', 'Autoencoder']))
def test_any_spec_builds_a_network_that_its_spec_builds_again_or_is_refused(spec, given_, model):
    make = getattr(rnnkit, model)
    try:
        net = make(spec, **given_)
        written = net.to_spec()
    except RnnkitError:
        return
    again = rnnkit.from_spec(json.loads(json.dumps(written)))
    for a, b in zip(net.params, again.params, strict=True):
        assert a.name == b.name
        np.testing.assert_array_equal(a.get_value(), b.get_value())


a_loss = st.one_of(
    st.sampled_from(['mae', 'xe', 'huber', 'gll', 'hinge', 'bce']),
    odd,
    st.dictionaries(
        st.sampled_from(['form', 'weight', 'delta', 'output', 'x']),
        st.one_of(odd, st.sampled_from(['mse', 'huber', 0.5])),
    ),
)
about_a_loss = st.dictionaries(
    st.sampled_from(['weight', 'output', 'target', 'weighted', 'delta', 'output_name']),
    st.one_of(odd, st.sampled_from(['y', 'kind', 'kind:out', 'out:pre', 'labels', 0.5, True])),
    max_size=3,
)


@tried(100)
@given(st.lists(st.tuples(a_loss, about_a_loss), min_size=1, max_size=3), st.booleans())
def test_any_loss_is_added_or_refused(losses, anew):
    net = rnnkit.Regressor([2, 3, dict(form='softmax', size=3, name='kind'), 3], seed=0)
    for number, (loss, options) in enumerate(losses):
        before = net.to_spec()
        try:
            (net.set_loss if anew and not number else net.add_loss)(loss, **options)
        except RnnkitError:
            assert net.to_spec() == before
    again = rnnkit.from_spec(json.loads(json.dumps(net.to_spec())))
    assert again.to_spec() == net.to_spec()
    assert [f.name for f in again._border.fields] == [f.name for f in net._border.fields]


@pytest.fixture(scope='module')
def net():
    regressor = rnnkit.Regressor([1, 1], seed=0)
    regressor.train([np.ones((3, 1))] * 2, epochs=1)
    return regressor


arrays = st.one_of(
    values,
    st.builds(
        lambda shape, kind: np.ones(shape, kind),
        st.lists(st.integers(0, 3), max_size=3),
        st.sampled_from(['f', 'd', 'i', '?', 'O', 'U3', 'F', 'M8[s]']),
    ),
    st.just(np.ones((3, 1))),
    st.just(np.array([[np.inf]])),
)
batches = st.one_of(
    values,
    st.lists(arrays, max_size=3),
    st.tuples(arrays, arrays),
    st.just([np.ones((3, 1))] * 2),
    st.just(lambda: [np.ones((3, 1))] * 2),
    st.fixed_dictionaries({'x': arrays, 'y': arrays}),
)
NAMES = sorted(
    {
        *rnnkit.training.options.Options.__dataclass_fields__,
        'learning_rate',
        'weight_l2',
        'hidden_l1',
        'rms_halflife',
        'x',
        *old_words.TRAINING,
        *old_words.NOT_OF_TRAINING,
    }
    - {'epochs', 'checkpoint', 'resume', 'save_progress', 'train_set', 'valid_set'}
)


@tried(250)
@given(
    batches,
    st.one_of(st.none(), batches),
    st.one_of(st.just('rmsprop'), st.sampled_from(sorted(optimizers)), odd),
    st.dictionaries(st.sampled_from(NAMES), values, max_size=2),
)
@pytest.mark.filterwarnings('ignore:overflow encountered', 'ignore:invalid value')
def test_any_data_and_options_train_or_are_refused(net, train, valid, algo, options):
    if options.get('train_batches') is None:
        options = {**options, 'train_batches': 2}
    try:
        found = net.train(train, valid, algo, epochs=1, **options)
    except RnnkitError:
        pass
    else:
        assert all(np.isfinite(v) for one in found for v in one.values())
    assert all(np.isfinite(p.get_value()).all() for p in net.params)


@tried(150)
@given(arrays)
def test_any_input_is_predicted_or_refused(net, x):
    try:
        found = net.predict(x)
    except RnnkitError:
        return
    assert found.shape == (*np.shape(x)[:-1], 1)


# --- files ---


@pytest.fixture(scope='module')
def files(tmp_path_factory):
    """Return the content of a file of each kind, and a path."""
    folder = tmp_path_factory.mktemp('files')
    net = rnnkit.Regressor([1, (2, 'tanh'), 1], seed=0)
    net.add_loss('mae', weight=0.5, target='z')
    net.save(folder / 'net')
    net.set_loss('mse')
    one = np.ones((3, 1))
    net.train([one, 2 * one], epochs=1, checkpoint=folder / 'training', seed=1)
    return [(folder / name).read_bytes() for name in ('net', 'training')], folder / 'changed'


def header_of(content):
    return 8 + int.from_bytes(content[:8], 'little')


@st.composite
def changes(draw):
    """Return a function that changes the content of a file."""
    kind = draw(st.sampled_from(['flip', 'cut', 'insert', 'swap', 'text', 'length']))
    where, bit = draw(st.floats(0, 1, exclude_max=True)), draw(st.integers(0, 7))
    front, more = draw(st.booleans()), draw(st.binary(min_size=1, max_size=4))
    word, other = draw(
        st.sampled_from(
            [
                (b'hid1', b'hid2'),
                (b'1', b'9'),
                (b'2', b'1'),
                (b'F32', b'F64'),
                (b'F32', b'I32'),
                (b'[2]', b'[1]'),
                (b'rnnkit', b'rnnkot'),
                (b'Regressor', b'Network12'),
                (b'feedforward', b'lstm       '),
                (b'{', b'['),
                (b'0', b'-'),
                (b'spec', b'spek'),
                (b'tanh', b'relu'),
                (b'false', b'true '),
                (b'digest', b'digesd'),
                (b'F32', b'BF1'),
                (b'null', b'[[]]'),
                (b'"epoch', b'"epocH'),
                (b'tensor', b'tensir'),
            ]
        )
    )

    def change(content):
        k = int(where * (header_of(content) if front else len(content)))
        if kind == 'flip':
            return content[:k] + bytes([content[k] ^ 1 << bit]) + content[k + 1 :]
        if kind == 'cut':
            return content[:k]
        if kind == 'insert':
            return content[:k] + more + content[k:]
        if kind == 'swap':
            return content[:k] + content[k:][::-1]
        if kind == 'length':
            return more.ljust(8, b'\0') + content[8:]
        head, tail = content[: header_of(content)], content[header_of(content) :]
        return head.replace(word, other, 1 + bit) + tail

    return change


@pytest.mark.filterwarnings(
    'ignore:overflow encountered', 'ignore:invalid value', 'ignore:.*not finite .NaN or infinity.'
)
@tried(250)
@given(changes(), st.booleans(), st.booleans())
def test_a_file_that_is_changed_is_refused_or_the_same(files, change, checkpoint, sealed):
    contents, path = files
    content = contents[checkpoint]
    changed = change(content)
    path.write_bytes(resealed(changed) if sealed else changed)
    try:
        net = rnnkit.load(path)
        if checkpoint:
            one = np.ones((3, 1))
            net.train([one, 2 * one], epochs=2, resume=path, seed=1)
    except (FormatError, TrainingError):  # values that somebody has made large overflow
        return
    except RnnkitError as error:
        # A network that has become a weighted one wants more arrays.
        assert 'to another' in str(error) or 'expects 3 arrays' in str(error)  # noqa: PT017
        return
    if not sealed:
        path.write_bytes(content)
        right = rnnkit.load(path)
        if not checkpoint:
            for a, b in zip(net.params, right.params, strict=True):
                np.testing.assert_array_equal(a.get_value(), b.get_value())


def resealed(content):
    """Return a file with the digest that its content should have, as somebody wicked would."""
    from safetensors import numpy as safetensors

    try:
        head = json.loads(content[8 : header_of(content)])['__metadata__']
        arrays = safetensors.load(content)
        kept = {k: v for k, v in head.items() if k != 'digest'}
        return safetensors.save(
            arrays, {**kept, 'digest': rnnkit.common.file_format.digest(kept, arrays)}
        )
    except Exception:  # it will be refused as it is
        return content
