"""Whatever is in the header of a checkpoint, its training resumes or the file is refused."""

import json

import numpy as np
import pytest
from attacks import VALUES, parts, places, put, signed

import rnnkit
from rnnkit.errors import ConfigError, FormatError, RnnkitError

DATA = [np.ones((4, 1), 'f'), np.zeros((4, 1), 'f')]
OPTIONS = {'algo': 'adam', 'seed': 1, 'validate_every': 1, 'learning_rate': None}


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """Return a network, the content of its checkpoint after an epoch, and a path."""
    path = tmp_path_factory.mktemp('training') / 'training'
    net = rnnkit.Regressor([1, ('dropout', 0.5), 1], seed=0)
    net.meta = {'mean': np.ones(2)}
    net.train(DATA, epochs=1, checkpoint=path, **options())
    return net, path.read_bytes(), path


def options():
    rate = rnnkit.schedules.Plateau(0.1)
    return {**OPTIONS, 'learning_rate': rate, 'callbacks': rnnkit.callbacks.EarlyStop()}


def resume(trained, path, new):
    """Resume from the checkpoint with another value somewhere in its header."""
    net, content, file = trained
    entries, arrays = parts(content)
    training = put(json.loads(entries['training']), path, new)
    file.write_bytes(signed({**entries, 'training': json.dumps(training)}, arrays))
    rnnkit.load(file)
    net.train(DATA, epochs=2, resume=file, **options())


@pytest.mark.filterwarnings('ignore:overflow encountered', 'ignore:invalid value')
def test_every_field_with_a_value_of_every_kind(trained):
    entries, _ = parts(trained[1])
    fields = [path for path in places(json.loads(entries['training'])) if path]
    assert ('state', 'latest', 'loss') in fields
    assert ('state', 'step', 'noise', 0) in fields
    start = [p.get_value() for p in trained[0].params]
    kinds = [v for v in VALUES if not isinstance(v, str | list) or len(v) < 3]
    resumed = 0
    for k, path in enumerate(fields):
        for new in kinds[k % 9 :: 9]:
            try:
                resume(trained, path, new)
                resumed += 1
            except RnnkitError as error:
                assert len(str(error)) < 2500  # noqa: PT017
            for p, value in zip(trained[0].params, start, strict=True):
                p.set_value(value)
    assert resumed > 0


@pytest.mark.parametrize(
    ('path', 'new', 'message'),
    [
        (('state', 'latest'), float('inf'), 'the state of its training does not fit: latest'),
        (('state', 'best', 'loss'), 'low', 'the state of its training does not fit: best'),
        (('state', 'best'), {}, 'the state of its training does not fit: best'),
        (('state', 'schedule'), {}, 'the state of its training does not fit: schedule'),
        (('state', 'schedule', 'rate'), 'x', 'the state of its training does not fit: schedule'),
        (('state', 'epoch'), -1, 'the state of its training does not fit: epoch'),
        (('state', 'history'), [], 'the state of its training does not fit: history'),
        (('state', 'step', 'noise'), [1], 'the state of its training does not fit: step'),
        (('seed',), 'x', 'its description of the training is damaged'),
        (('seed',), [1, 'x'], 'its description of the training is damaged'),
        (('trainings',), None, 'its description of the training is damaged'),
        (('state', 'history', 0), 3, 'its description of the training is damaged'),
        (('state', 'history', 0, 'epoch'), 'x', 'its description of the training is damaged'),
    ],
)
def test_what_is_wrong_is_named(trained, path, new, message):
    with pytest.raises(FormatError) as caught:
        resume(trained, path, new)
    assert str(caught.value) == f'{trained[2]}: {message}'


@pytest.mark.parametrize('array', ['meta:0', 'x:2'])
def test_an_array_in_the_place_of_a_setting_is_another_training(trained, array):
    net, content, file = trained
    entries, arrays = parts(content)
    path = ('settings', 'algo')
    training = put(json.loads(entries['training']), path, {':tensor': array})
    arrays['x:2'] = np.ones(2)
    file.write_bytes(signed({**entries, 'training': json.dumps(training)}, arrays))
    with pytest.raises(ConfigError) as caught:
        net.train(DATA, epochs=2, resume=file, **options())
    was = '[1.0, 1.0]' if array[0] == 'x' else "{':tensor': 'meta:0'}"
    assert str(caught.value) == (
        f'train(): the checkpoint {file} belongs to another training: algo was {was}, and is now '
        f'adam'
    )
