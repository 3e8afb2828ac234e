"""Every member of a registry has a page in the reference, which describes all of its options."""

import importlib
import re
import sys

import pytest
from repository import ROOT

import rnnkit
from rnnkit.activations import activations
from rnnkit.initializers import initializers
from rnnkit.layers import registry as layers
from rnnkit.losses import losses
from rnnkit.metrics import metrics
from rnnkit.optimizers import optimizers
from rnnkit.regularizers import regularizers

EXTENSIONS = ROOT / 'docs' / '_ext'
sys.path.insert(0, str(EXTENSIONS))
PAGES = importlib.import_module('registry_pages').pages()
layer_pages = importlib.import_module('layer_pages')
training_pages = importlib.import_module('training_pages')
is_ours = importlib.import_module('docstrings').is_ours
sys.path.remove(str(EXTENSIONS))

KINDS = {
    'layer': layers,
    'loss': losses,
    'rule': optimizers,
    'metric': metrics,
    'activation': activations,
    'initializer': initializers,
    'regularizer': regularizers,
}
# Other tests add members of their own.
NAMES = {kind: [name for name in table if is_ours(table[name])] for kind, table in KINDS.items()}
WITH_OPTIONS = [(kind, name) for kind in ('layer', 'loss', 'rule') for name in NAMES[kind]]


def with_target(kind, name):
    """Return the pages to which a link such as ``:loss:`xe``` leads."""
    return [text for text in PAGES.values() if f'\n.. {kind}:: {name}\n' in text]


@pytest.mark.parametrize('kind', KINDS)
def test_every_name_has_one_target(kind):
    assert NAMES[kind]
    assert {name: len(with_target(kind, name)) for name in NAMES[kind]} == dict.fromkeys(
        NAMES[kind], 1
    )


def row(page, option):
    """Return (default, meaning) from the row of an option in a table."""
    name = rf'^   \* - [^\n]*``{re.escape(option)}``[^\n]*\n'
    cells = r'     - ([^\n]*)\n     - (.*?)(?=\n   \* |\n\S|\Z)'
    found = re.search(name + cells, page, re.MULTILINE | re.DOTALL)
    assert found, f'no row for {option}'
    return found[1], ' '.join(found[2].split())


@pytest.mark.parametrize(('kind', 'name'), WITH_OPTIONS)
def test_every_option_is_described(kind, name):
    (page,) = with_target(kind, name)
    member = KINDS[kind][name]
    for option, default in {**member.options, **getattr(member, 'switches', {})}.items():
        stated, meaning = row(page, option)
        assert len(meaning.split()) > 3, f'{option}: {meaning}'
        if stated != 'none: required':
            value = eval(stated.strip('`'))
            assert value == (
                pytest.approx(default, rel=1e-3) if type(default) is float else default
            )


def required(form):
    """Return the options that the page of a layer calls required."""
    (page,) = with_target('layer', form)
    return [option for option in layers[form].options if row(page, option)[0] == 'none: required']


@pytest.mark.parametrize('form', [form for form in NAMES['layer'] if form == layers[form].form])
def test_examples_of_layers_run(form):
    net, layer = layer_pages.network(form)
    assert layer in net.layers
    for option in required(form):
        left_out = (option, 'form', 'inputs')
        spec = {key: value for key, value in layer.to_spec().items() if key not in left_out}
        with pytest.raises(rnnkit.ConfigError, match=option):
            layers.build(form, **spec)


def test_layers_without_options_that_are_required_need_none():
    for form in NAMES['layer']:
        if not required(form):
            layers.build(form, **({'size': 8} if layers[form].sized else {}))


@pytest.mark.parametrize('name', NAMES['loss'])
def test_examples_of_losses_run(name):
    (page,) = with_target('loss', name)
    source = re.search(r'net = (.*?)\n\n', page, re.DOTALL)[1]
    net = eval(source, {'rnnkit': rnnkit})
    assert type(net.loss) is losses[name]


def test_shapes_of_parameters_are_those_of_the_arrays():
    layer = layer_pages.network('lstm')[1]
    (page,) = with_target('layer', 'lstm')
    lengths = {'I': 3, 'H': 8, '4H': 32}
    for name, array in layer.params.items():
        if name == 'h_0':
            continue
        shape = re.search(rf'\* - ``{name}``\n     - \(([^)]*)\)', page)[1]
        assert tuple(lengths[axis] for axis in re.findall(r'\w+', shape)) == array.get_value().shape


def test_schedules_and_callbacks_are_in_the_reference():
    text = (ROOT / 'docs' / 'api.rst').read_text(encoding='utf-8')
    for room, base in ((rnnkit.schedules, 'Schedule'), (rnnkit.callbacks, 'Callback')):
        for name, member in vars(room).items():
            is_one = isinstance(member, type) and issubclass(member, getattr(room, base))
            if is_one and not name.startswith('_'):
                assert f'{room.__name__}.{name}\n' in text


def test_an_option_that_nothing_describes_is_an_error(monkeypatch):
    monkeypatch.setattr(losses['huber'], 'options', {'delta': 1.0, 'new': 2})
    with pytest.raises(ValueError, match="loss 'huber': nothing describes new"):
        training_pages.loss_page('huber', ['huber'])


def test_members_of_others_have_no_page():
    class Foreign(rnnkit.Cell):
        def step(self, z, s, p):
            return z + s.h @ p.hh

    assert all(len(NAMES[kind]) > 5 for kind in KINDS)
    rnnkit.layers.add('foreign_in_pages')(Foreign)
    assert not is_ours(layers['foreign_in_pages'])
    assert importlib.import_module('layer_pages').pages().keys() == {
        path for path in PAGES if path.startswith('layers/')
    }
