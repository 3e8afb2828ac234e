"""Serve two trained networks over HTTP: one step for each request, and the state with the client.

Copy `Service` to answer requests by a network, in whatever server you use; `Handler` and
`serving` to do without another package; `check` to test a server.

A classifier tells from a noisy wave whether it is a sine, a square or a sawtooth; a forecaster
predicts the next values of a sine. Both are recurrent, and have something to say after each step:

    POST /classify/step  {"x": [0.3], "state": null}     ->  {"classes": [...], "state": {...}}
    POST /forecast/step  {"x": [0.3], "state": {...}}    ->  {"next": [0.35], "state": {...}}
    POST /classify       {"x": [[0.3], [0.4], ...]}      ->  {"classes": [...]}
    POST /forecast       {"x": [[0.3], ...], "steps": 9} ->  {"next": [[0.35], ...]}

The first request of a sequence has no state. Each answer has the state after the step, which the
client sends back with the next one. So the server keeps nothing: any number of clients may be
served, by any number of processes, and a client may go back to an earlier state.

What is no input or no state of the network is answered with status 400 and the library's message.
The program is its own first client: it sends sequences step by step, and compares the answers with
those to whole sequences.

    python serve.py --port 8000                          # and goes on serving
    curl -d '{"x": [0.3]}' http://127.0.0.1:8000/classify/step
"""

import json
import sys
import threading
import time
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import common
import numpy as np

import rnnkit

CLASSES = ['sine', 'square', 'sawtooth']
LARGEST = 100_000  # bytes of a body
MOST_STEPS = 1000  # that are forecast in one request


class RequestError(Exception):
    """A request that cannot be answered; the message says why."""


class Service:
    """The answers to requests, which are dicts of what JSON has.

    The classifier is without time in its output; the forecaster has as many outputs as inputs.
    """

    def __init__(self, classifier, forecaster):
        self.classifier, self.forecaster = classifier, forecaster
        self.routes = {
            '/classify': self.classify,
            '/classify/step': self.classify_step,
            '/forecast': self.forecast,
            '/forecast/step': self.forecast_step,
        }
        x = [[0.0]] * 2  # compile everything before the first client waits for it
        for path, request in [('/classify', {'x': x}), ('/forecast', {'x': x, 'steps': 1})]:
            self.routes[path](request)
            state = self.routes[f'{path}/step']({'x': [0.0]})['state']
            self.routes[f'{path}/step']({'x': [0.0], 'state': state})

    def classify(self, request):
        """Answer with the probabilities of the classes of a whole sequence."""
        (x,) = read(request, 'x')
        return {'classes': self.classifier.predict_proba([array(x, 2)])[0].tolist()}

    def classify_step(self, request):
        """Answer with the probabilities after one more step."""
        p, state = self._step(self.classifier, request)
        return {'classes': p, 'state': state}

    def forecast(self, request):
        """Answer with the values that follow a sequence."""
        x, steps = read(request, 'x', 'steps')
        if type(steps) is not int or not 1 <= steps <= MOST_STEPS:
            raise RequestError(f'steps must be a whole number from 1 to {MOST_STEPS}')
        return {'next': self.forecaster.generate(array(x, 2)[:, None], steps)[:, 0].tolist()}

    def forecast_step(self, request):
        """Answer with the value that follows one more step."""
        y, state = self._step(self.forecaster, request)
        return {'next': y, 'state': state}

    def _step(self, net, request):
        x, state = read(request, 'x', state=None)
        y, state = net.step(array(x, 1)[None], state)  # a batch of one
        return y[0].tolist(), net.state_to_json(state)


def read(request, *needed, **optional):
    """Return the values of a request that has these names, and no others."""
    if not isinstance(request, dict):
        raise RequestError('the body must be an object, such as {"x": [0.3]}')
    names = [*needed, *optional]
    if set(needed) - set(request) or set(request) - set(names):
        raise RequestError(f'the body must have {" and ".join(names)}')
    return [request.get(name, optional.get(name)) for name in names]


def array(x, ndim):
    """Return nested lists of numbers, of known depth, as an array; rnnkit checks the rest."""
    rows, wrong = [x], RequestError(f'x must be {"a list of " * ndim}numbers')
    for _ in range(ndim):
        if not all(isinstance(row, list) for row in rows):
            raise wrong
        rows = [item for row in rows for item in row]
    if not all(type(item) in (int, float) for item in rows):
        raise wrong
    try:
        return np.array(x, 'float64')
    except ValueError:
        raise RequestError('the rows of x must have the same length') from None
    except OverflowError:
        raise RequestError('x has a number that does not fit float64') from None


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = 'HTTP/1.1'  # several requests for each connection
    disable_nagle_algorithm = True  # or a small answer waits for a packet from the client
    timeout = 30  # seconds without a byte

    def do_POST(self):
        """Answer a request."""
        answer = self.server.service.routes.get(self.path)
        length = self.headers.get('Content-Length', '')
        if not length.isdecimal() or int(length[:20]) > LARGEST:
            self.close_connection = True  # there is a body that nobody reads
            status = 413 if length.isdecimal() else 411
            return self.send(status, {'error': f'a body must have at most {LARGEST} bytes'})
        body = self.rfile.read(int(length))
        if answer is None:
            known = ', '.join(self.server.service.routes)
            return self.send(404, {'error': f'there is nothing here; known are: {known}'})
        try:
            return self.send(200, answer(json.loads(body)))
        except (rnnkit.RnnkitError, RequestError) as error:
            return self.send(400, {'error': str(error)})
        except (ValueError, RecursionError):
            return self.send(400, {'error': 'the body is no JSON'})

    def send(self, status, answer):
        """Send a status and JSON."""
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header('Content-Type', 'application/json')
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        """Print nothing for each request."""


@contextmanager
def serving(service, port=0):
    """Serve in the background, on this machine alone, with a thread for each connection.

    Port 0 is any that is free; ``server.server_port`` says which.
    """
    with ThreadingHTTPServer(('127.0.0.1', port), Handler) as server:
        server.service = service
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()


class Client:
    """A client, which counts its requests and the seconds they took."""

    def __init__(self, port):
        self.connection = HTTPConnection('127.0.0.1', port, timeout=30)
        self.close = self.connection.close
        self.requests, self.seconds = 0, 0.0

    def post(self, path, request):
        """Return the status and the answer."""
        start = time.perf_counter()
        self.connection.request('POST', path, json.dumps(request))
        response = self.connection.getresponse()
        answer = json.loads(response.read())
        self.seconds += time.perf_counter() - start
        self.requests += 1
        return response.status, answer

    def ask(self, path, **request):
        """Return the answer to a request that is right."""
        status, answer = self.post(path, request)
        if status != 200:
            raise RuntimeError(f'{path}: status {status}, {answer}')
        return answer

    def steps(self, path, x):
        """Return the answers to all steps of a sequence, each sent with the state before it."""
        answers = [{'state': None}]
        for x_t in x:
            answers.append(self.ask(path, x=x_t, state=answers[-1]['state']))
        return answers[1:]


def make_waves(steps, n, rng):
    """Return noisy waves (T, B, 1) of all classes, their labels (B,), and sines without noise."""
    labels = rng.integers(0, len(CLASSES), n)
    period, start = rng.uniform(8, 16, n), rng.random(n)
    phase = (start + np.arange(steps + 1)[:, None] / period) % 1  # (T + 1, B)
    sine = np.sin(2 * np.pi * phase)
    forms = np.array([sine, np.sign(sine), 2 * phase - 1])  # (3, T + 1, B)
    waves = forms[labels, :, np.arange(n)].T + 0.2 * rng.standard_normal(sine.shape)
    return waves[:-1, :, None], labels, sine[:, :, None]


def train(steps, size, updates, seed):
    """Return a trained classifier and a trained forecaster."""
    rng = np.random.default_rng(seed)
    options = dict(
        algo='adam',
        learning_rate=rnnkit.schedules.Cosine(0.01, updates),
        train_batches=updates,
        valid_batches=1,
        epochs=1,
        restore_best=False,
    )

    def continued():
        sine = make_waves(steps, 32, rng)[2]
        return [sine[:-1], sine[1:]]

    classifier = rnnkit.Classifier([1, ('gru', size), 'mean', len(CLASSES)], seed=seed)
    classifier.train(lambda: list(make_waves(steps, 32, rng)[:2]), **options)
    forecaster = rnnkit.Regressor([1, ('gru', size), 1], seed=seed)
    forecaster.train(continued, **options)
    return classifier, forecaster


def check(client, waves, sines, ahead):
    """Send sequences step by step, and whole.

    Return the answers after each step (B, T, classes), the forecasts (B, ahead), and the largest
    difference between what is said after the last step and of the whole sequence.
    """
    answers, forecasts, difference = [], [], 0.0
    for wave, sine in zip(waves.swapaxes(0, 1), sines.swapaxes(0, 1), strict=True):
        said = [answer['classes'] for answer in client.steps('/classify/step', wave.tolist())]
        whole = client.ask('/classify', x=wave.tolist())['classes']
        answer, following = client.steps('/forecast/step', sine.tolist())[-1], []
        for _ in range(ahead):
            following.append(answer['next'])
            answer = client.ask('/forecast/step', x=answer['next'], state=answer['state'])
        forecast = client.ask('/forecast', x=sine.tolist(), steps=ahead)['next']
        for step_by_step, at_once in ((said[-1], whole), (following, forecast)):
            difference = max(difference, np.abs(np.subtract(step_by_step, at_once)).max())
        answers.append(said)
        forecasts.append(np.ravel(forecast))
    return np.array(answers), np.array(forecasts), difference


def main(*, steps=40, ahead=20, size=32, clients=10, updates=1500, port=None, seed=1):
    """Train, serve, and compare the answers to steps with those to whole sequences."""
    service = Service(*train(steps, size, updates, seed))
    rng = np.random.default_rng(seed + 1)
    waves, labels, _ = make_waves(steps, clients, rng)
    sines = make_waves(steps + ahead, clients, rng)[2][:-1]
    with serving(service, port or 0) as server, closing(Client(server.server_port)) as client:
        answers, forecasts, difference = check(client, waves, sines[:steps], ahead)
        if not difference < 1e-4:
            sys.exit(f'FAILED: steps differ from whole sequences by {difference:.1g}')
        if port is not None:
            print(f'serving on http://127.0.0.1:{port}; Ctrl-C ends it')
            try:
                threading.Event().wait()
            except KeyboardInterrupt:
                print()
    x, y, _ = make_waves(steps, 500, rng)
    results = {
        'error': np.mean(service.classifier.predict(x) != y),
        'constant': 1 - np.bincount(y).max() / len(y),
        'forecast': np.mean((forecasts - sines[steps:, :, 0].T) ** 2),
        'difference': difference,
        'requests': client.requests,
        'milliseconds': 1000 * client.seconds / client.requests,
        'updates': updates,
    }
    shown = waves[:, 0, 0], answers[0], CLASSES[labels[0]], sines[:, 0, 0], forecasts[0]
    return results, shown


def draw(figure, wave, answers, label, sine, forecast):
    """Draw a wave and what is said after each step, and a forecast."""
    figure.set_size_inches(8, 4.6)
    axes = figure.subplot_mosaic([['wave', 'forecast'], ['classes', 'forecast']])
    axes['wave'].plot(wave, '.-', color='0.4')
    axes['wave'].set(title=f'A noisy {label}, sent step by step', ylabel='value')
    for name, p in zip(CLASSES, answers.T, strict=True):
        axes['classes'].plot(p, label=name)
    axes['classes'].set(xlabel='time step', ylabel='probability', ylim=(0, 1.05))
    axes['classes'].set(title='The answers')
    steps = len(sine) - len(forecast)
    axes['forecast'].plot(sine, color='0.4', lw=2, label='true')
    axes['forecast'].plot(np.arange(steps, len(sine)), forecast, '.-', label='forecast')
    axes['forecast'].set(title='A forecast', xlabel='time step', ylabel='value')
    common.legend(axes['classes'])
    common.legend(axes['forecast'])


if __name__ == '__main__':
    common.run(
        main,
        draw,
        report=(
            '{requests} requests, {milliseconds:.2f} ms each; steps differ from whole sequences by '
            'at most {difference:.1g}\nerror rate {error:.1%}, of always the same class '
            '{constant:.1%}; mean squared error of the forecast {forecast:.4f}'
        ),
        tolerance=0.1,
        ahead='steps that are forecast',
        clients='sequences that are sent',
        updates='number of updates of each network',
        port=dict(type=int, help='go on serving on this port'),
    )
