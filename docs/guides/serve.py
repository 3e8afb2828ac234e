"""
Serve a model step by step
==========================

``net.stepper()`` reads a stream one step at a time, and says after each of them what the network
makes of it so far. It keeps the hidden state, and takes a few microseconds:
"""

import rnnkit

sequences, names = rnnkit.datasets.waves(1000, seed=0)
net = rnnkit.Classifier([1, ('gru', 16), 'mean', 3], seed=0, masked=True)
net.train([sequences, names], valid=0.2)

stream = rnnkit.datasets.waves(1, seed=1, lengths=(60, 60))[0][0]  # (60, 1)
stepper = net.stepper()
answers = [stepper([value], copy=True)[0] for value in stream]  # a batch of one

# %%
# After the last step, the output equals that of ``predict`` for the whole sequence. Before that,
# the predicted class may change:

import matplotlib.pyplot as plt
import numpy as np

assert np.allclose(answers[-1], net.predict_proba([stream])[0], atol=1e-5)

figure, (top, bottom) = plt.subplots(
    2, sharex=True, figsize=(8, 4), layout='constrained'
)
top.plot(stream, '.-', color='0.3', lw=0.8)
bottom.plot(answers, label=net.classes_)
top.set_ylabel('value')
bottom.set(xlabel='time step', ylabel='probability so far', ylim=(0, 1.05))
figure.legend(loc='outside right center')
plt.show()

# %%
# The state is data
# -----------------
# ``net.step`` takes the state and returns the next one, and ``net.state_to_json`` turns it into
# lists of numbers and back, bit by bit. So a client can keep it: then any process can answer any
# request, and a restart loses nothing.

import json

p, state = net.step([stream[0]])
json.dumps(net.state_to_json(state))[:60]

# %%
# A server
# --------
# This is all of it, with Python's ``http.server``. What is wrong with a request is an error of
# rnnkit, whose message is for the client:

import threading
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    disable_nagle_algorithm = True  # or small answers wait for each other

    def do_POST(self):
        length = min(int(self.headers['Content-Length']), 100_000)
        self.close_connection = length == 100_000  # what is longer is not read
        try:
            request = json.loads(self.rfile.read(length))
            p, state = net.step([request['x']], request['state'])
            answer = {'p': p[0].tolist(), 'state': net.state_to_json(state)}
            status = 200
        except (rnnkit.RnnkitError, ValueError, KeyError, TypeError) as error:
            status, answer = 400, {'error': str(error)}
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        """Print nothing for each request."""


server = ThreadingHTTPServer(('127.0.0.1', 0), Handler)  # on any free port
threading.Thread(target=server.serve_forever, daemon=True).start()

# %%
# A client sends the state that it got with the last answer:

client = HTTPConnection('127.0.0.1', server.server_port)


def ask(x, state):
    client.request('POST', '/', json.dumps({'x': x, 'state': state}))
    return json.loads(client.getresponse().read())


reply = {'state': None}  # null: a sequence begins
for x in stream.tolist():
    reply = ask(x, reply['state'])
np.allclose(reply['p'], answers[-1], atol=1e-5)

# %%
# A request that makes no sense has an answer, too:

ask([1, 2], None)

# %%
# Latency
# -------
# How long does an answer take? For this network, in three ways:

import time


def microseconds(call, n):
    times = []
    for _ in range(n):
        start = time.perf_counter()
        call()
        times.append(1e6 * (time.perf_counter() - start))
    return times


x_t, x = stream[:1], stream[0].tolist()
times = {
    'stepper(x_t)': microseconds(lambda: stepper(x_t), 2000),
    'net.step(x_t, state)': microseconds(lambda: net.step(x_t, state), 2000),
    'HTTP request': microseconds(lambda: ask(x, reply['state']), 500),
}

figure, ax = plt.subplots(figsize=(8, 3), layout='constrained')
for name, values in times.items():
    label = f'{name}: median {np.median(values):.3g} µs'
    ax.hist(
        values,
        bins=np.geomspace(1, 10_000, 161),
        label=label,
        weights=np.full(len(values), 100 / len(values)),
    )
ax.set(xscale='log', xlabel='time of an answer (µs)', ylabel='answers (%)')
figure.legend(loc='outside upper center', ncols=3, fontsize='small')
plt.show()

client.close()
server.shutdown()
server.server_close()

# %%
# Next
# ----
# - :doc:`/serve`: what clients may send, threads, processes, and the whole program
#   ``examples/serve.py``;
# - :doc:`/states`: hidden states in and out, and which networks answer after each step;
# - :doc:`/c` and :doc:`/onnx`: without Python; the reference of `rnnkit.inference.stepper.Stepper`.
