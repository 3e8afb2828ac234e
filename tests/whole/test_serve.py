"""examples/serve.py as a server: its answers, and what it says to requests that are wrong."""

import importlib
import json
import socket
from contextlib import closing
from http.client import HTTPConnection

import numpy as np
import pytest
from repository import ROOT

import rnnkit


@pytest.fixture(scope='module')
def serve():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / 'examples'))
        return importlib.import_module('serve')


@pytest.fixture(scope='module')
def service(serve):
    classifier = rnnkit.Classifier([1, ('gru', 4), 'mean', 3], seed=0)
    return serve.Service(classifier, rnnkit.Regressor([1, ('gru', 4), 1], seed=0))


@pytest.fixture(scope='module')
def server(serve, service):
    with serve.serving(service) as server:  # on a port that is free
        yield server


@pytest.fixture
def client(serve, server):
    with closing(serve.Client(server.server_port)) as client:
        yield client


def test_steps_and_whole_sequences_get_the_same_answers(client, service, rng):
    x, state = rng.standard_normal((9, 1)).tolist(), None
    for k, x_t in enumerate(x):
        answer = client.ask('/classify/step', x=x_t, state=state)
        state = answer['state']
        assert state['hid2']['count'] == [[k + 1]]
        wanted = service.classifier.predict_proba(np.array(x)[: k + 1, None])[0]
        np.testing.assert_allclose(answer['classes'], wanted, rtol=0, atol=1e-6)
    whole = client.ask('/classify', x=x)['classes']
    np.testing.assert_allclose(whole, wanted, rtol=0, atol=1e-6)


def test_a_forecast_is_made_of_its_steps(client, service, rng):
    x, state, found = rng.standard_normal((9, 1)).tolist(), None, []
    for x_t in x:
        answer = client.ask('/forecast/step', x=x_t, state=state)
        state = answer['state']
    for _ in range(5):
        found.append(answer['next'])
        answer = client.ask('/forecast/step', x=answer['next'], state=answer['state'])
    np.testing.assert_allclose(client.ask('/forecast', x=x, steps=5)['next'], found, atol=1e-6)


def test_clients_do_not_disturb_each_other(serve, server, client):
    with closing(serve.Client(server.server_port)) as other:
        state = client.ask('/classify/step', x=[1.0])['state']
        other.ask('/classify/step', x=[-5.0])
        again = [one.ask('/classify/step', x=[2.0], state=state) for one in (client, other)]
    assert again[0] == again[1]  # the state is all there is


DEEP = 5.0
for _ in range(500):
    DEEP = [DEEP]
STATE = {'hid1': {'h': [[0.0] * 4]}, 'hid2': {'sum': [[0.0] * 4], 'count': [[1]]}}
BODY = 'the body must have x and state'
X = 'x must be a list of numbers'

WRONG = {
    'no object': ('/classify/step', [], 'the body must be an object, such as {"x": [0.3]}'),
    'nothing': ('/classify/step', {}, BODY),
    'a name too many': ('/classify/step', {'x': [1], 'y': 1}, BODY),
    'x is text': ('/classify/step', {'x': 'abc'}, X),
    'x has text': ('/classify/step', {'x': ['abc']}, X),
    'x has no number': ('/classify/step', {'x': [None]}, X),
    'x is true': ('/classify/step', {'x': [True]}, X),
    'x is deep': ('/classify/step', {'x': DEEP}, X),
    'x is huge': (
        '/classify/step',
        {'x': [10**400]},
        'x has a number that does not fit float64',
    ),
    'x is NaN': (
        '/classify/step',
        {'x': [float('nan')]},
        'step(): x contains nan at index (0, 0); numbers must be finite; fill missing values, such '
        "as by interpolate() or fillna() of pandas, or read them by a layer 'grud'",
    ),
    'x has two features': (
        '/classify/step',
        {'x': [1, 2]},
        'step(): x has 2 features (its last axis, shape (1, 2)); the input layer has 1',
    ),
    'x is ragged': (
        '/classify',
        {'x': [[1], [1, 2]]},
        'the rows of x must have the same length',
    ),
    'steps': (
        '/forecast',
        {'x': [[1]], 'steps': 10**9},
        'steps must be a whole number from 1 to 1000',
    ),
    'a layer is missing': (
        '/classify/step',
        {'x': [1], 'state': {'hid1': STATE['hid1']}},
        'step(): state must have an entry for each of hid1, hid2; got a dict of hid1',
    ),
    'a part is misspelt': (
        '/classify/step',
        {'x': [1], 'state': {**STATE, 'hid2': {'sum': 0, 'counts': 0}}},
        "step(): state must have the MeanState of layer 'hid2', by names or in this order: sum, "
        "count; got a dict of sum, counts; did you mean 'count' by 'counts'?",
    ),
    'a state of two': (
        '/classify/step',
        {'x': [1], 'state': {**STATE, 'hid1': {'h': [[0.0] * 4] * 2}}},
        "step(): state 'h' of layer 'hid1' must have shape (1, 4) (batch, size), for 1 examples; "
        'got (2, 4)',
    ),
    'a state of text': (
        '/classify/step',
        {'x': [1], 'state': {**STATE, 'hid1': {'h': [[0, 0, 0, 'a']]}}},
        "step(): state 'h' of layer 'hid1' must be numbers; it contains str at [0][3]",
    ),
    'an infinite state': (
        '/classify/step',
        {'x': [1], 'state': {**STATE, 'hid1': {'h': [[0, 0, float('inf'), 0]]}}},
        "step(): state 'h' of layer 'hid1' contains inf at index (0, 2); numbers must be finite",
    ),
    'a deep state': (
        '/classify/step',
        {'x': [1], 'state': {**STATE, 'hid1': {'h': DEEP}}},
        "step(): state 'h' of layer 'hid1' must have shape (1, 4) (batch, size), for 1 examples; "
        'got (1, 1, 1, 1)',
    ),
}


@pytest.mark.parametrize('kind', WRONG)
def test_what_is_wrong_is_answered_by_400_and_why(kind, client):
    path, request, message = WRONG[kind]
    assert client.post(path, request) == (400, {'error': message})
    assert client.post('/classify/step', {'x': [1]})[0] == 200  # the connection goes on


@pytest.mark.parametrize(
    ('body', 'headers', 'status', 'message'),
    [
        ('no JSON', {}, 400, 'the body is no JSON'),
        ('[' * 90_000, {}, 400, 'the body is no JSON'),
        ('\udcff'.encode('utf-8', 'surrogateescape'), {}, 400, 'the body is no JSON'),
        (None, {'Content-Length': '999999999999'}, 413, 'a body must have at most 100000 bytes'),
        (None, {'Content-Length': '-1'}, 411, 'a body must have at most 100000 bytes'),
        (None, {'Content-Length': '9' * 5000}, 413, 'a body must have at most 100000 bytes'),
    ],
    ids=['text', 'brackets', 'bytes', 'large', 'negative', 'huge'],
)
def test_bodies_are_bounded_and_of_json(body, headers, status, message, server):
    connection = HTTPConnection('127.0.0.1', server.server_port, timeout=10)
    connection.request('POST', '/classify/step', body, headers)
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())) == (status, {'error': message})
    connection.close()


def test_an_unknown_path_is_answered_by_404(client):
    status, answer = client.post('/classify/all', {'x': [1]})
    assert status == 404
    assert answer['error'].startswith('there is nothing here; known are: /classify, ')


def test_a_client_that_leaves_does_no_harm(client, server):
    with socket.create_connection(('127.0.0.1', server.server_port)) as one:
        one.sendall(b'POST /classify/step HTTP/1.1\r\nContent-Length: 50\r\n\r\n{"x"')
    assert client.post('/classify/step', {'x': [1]})[0] == 200
