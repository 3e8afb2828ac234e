"""
Translate sequences with attention
==================================

An encoder reads a sequence, and a decoder writes another one, of another length
(sequence-to-sequence). With attention the decoder looks at the steps of the encoder while it
writes. Here dates in words become ISO 8601 dates. The network is a list of layers:
"""

import string

import rnnkit

ALPHABET = '\n ,-' + string.digits + string.ascii_letters  # number 0 ends a text
N = len(ALPHABET)


def translator(*attention):
    encoder = dict(form='bidirectional', worker='gru', size=48, name='encoder')
    before = dict(form='input', size=N, name='before')
    decoder = dict(form='gru', size=48, h_0='encoder')
    letters = ('embedding', 16)
    layers = [N, letters, encoder, before, letters, decoder, *attention, N]
    return rnnkit.Classifier(layers, masked=True, seed=0)


look = dict(form='attention', size=48, memory='encoder', name='look')
net = translator(look)

# %%
# The decoder starts from the last hidden state of the encoder (``h_0``), and reads at each step
# the letter before: in training the right one (teacher forcing), later the one that it wrote.
#
# Data are lists of sequences of numbers: what is read, the answer delayed by a step, and the
# answer. It trains on 2,700 of the 20,000 days, with 300 for validation and 500 for the test:

import datetime

import numpy as np

FORMS = [
    '{0:%A}, {0.day} {0:%B} {0.year}',
    '{0:%B} {0.day}, {0.year}',
    '{0.day} {0:%b} {0.year}',
    '{0:%a} {0:%b} {0.day}, {0.year}',
]

rng = np.random.default_rng(0)
first = datetime.date(1980, 1, 1).toordinal()
days = rng.permutation(range(first, first + 20000))  # up to 2034


def dates(days):
    for day in days:
        date = datetime.date.fromordinal(int(day))
        yield str(rng.choice(FORMS)).format(date), date.isoformat()


def numbers(pairs):
    source, answer = (
        [[ALPHABET.index(c) for c in text] for text in texts]
        for texts in zip(*pairs)
    )
    answer = [[*a, 0] for a in answer]
    return [source, [[0, *a[:-1]] for a in answer], answer]


train, valid = numbers(dates(days[:2700])), numbers(dates(days[2700:3000]))
new = list(dates(days[-500:]))

net.train(
    train, valid, algo='adam', learning_rate=0.01, epochs=10, validate_every=2
)


def translate(net, texts):
    source = [[ALPHABET.index(c) for c in text] for text in texts]
    written = net.generate(source, 12, start=0, stop=0, beam=3)  # (steps, texts)
    return [''.join(ALPHABET[k] for k in text).split('\n')[0] for text in written.T]


translate(net, ['Sunday, 20 July 2025', 'February 29, 2000'])

# %%
# How often is it right?
# ----------------------
# The share of correct answers for 500 days that are not in the training data. Without attention,
# the decoder knows of the question only the encoder's last state, 48 numbers, and needs far more
# training:

plain = translator()
plain.train(
    train, valid, algo='adam', learning_rate=0.01, epochs=10, validate_every=2
)

texts, truth = zip(*new)
for name, one in (('with attention', net), ('without', plain)):
    right = np.mean([a == b for a, b in zip(translate(one, texts), truth)])
    print(f'{name:14} {right:.1%}')

# %%
# Where it looks
# --------------
# The weights of the attention are an output of the layer. Each row has the weights of the letters
# read, while one letter is written:

import matplotlib.pyplot as plt

question = 'Sunday, 20 July 2025'
answer = translate(net, [question])[0]
source, before, _ = numbers([(question, answer)])
weights = net.feed_forward([source, before])['look:weights'][:-1, 0]

figure, ax = plt.subplots(figsize=(8, 4.2), layout='constrained')
image = ax.imshow(weights, cmap='Blues', vmin=0, vmax=1, aspect='auto')
ax.set_xticks(range(len(question)), question, family='monospace', fontsize=12)
ax.set_yticks(range(len(answer)), answer, family='monospace', fontsize=12)
ax.set(xlabel='letter read', ylabel='letter written')
figure.colorbar(image, label='weight of the attention')
plt.show()

# %%
# Next
# ----
# - :doc:`/attention`: the equations, three scores, beams and their length, speed;
# - :doc:`/modes`: other ways from one sequence to another;
# - :ref:`generating`; the reference of `rnnkit.layers.Attention`.
