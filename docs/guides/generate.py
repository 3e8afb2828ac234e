"""
Generate text
=============

A character model reads a text letter by letter, and predicts the next letter at each step. It
writes by drawing a letter, which is what it reads next:
"""

import numpy as np

import rnnkit

WORDS = [
    ['the', 'a', 'one', 'every'],
    ['old', 'small', 'quiet', 'hungry', 'clever', 'tired', 'young', 'friendly'],
    ['cat', 'sailor', 'teacher', 'rabbit', 'farmer', 'queen', 'dragon', 'robot'],
    ['sees', 'follows', 'finds', 'paints', 'feeds', 'greets', 'admires', 'forgets'],
    ['the', 'a', 'another', 'that'],
    [
        'house',
        'river',
        'garden',
        'mountain',
        'lantern',
        'piano',
        'bridge',
        'letter',
    ],
]


def sentences(n, seed):
    rng = np.random.default_rng(seed)
    return ''.join(' '.join(map(rng.choice, WORDS)) + '.\n' for _ in range(n))


text = rnnkit.recurrent.Text(sentences(3000, seed=0))  # or that of a file

net = rnnkit.Classifier(
    [text.size, ('embedding', 16), ('gru', 64), text.size], seed=0
)
net.train(text.batches(60, 32, rng=0), algo='adam', learning_rate=0.005, epochs=10)

labels = net.generate(text.encode('the young '), 90, rng=0)  # (steps, streams)
print('the young ' + text.decode(labels))

# %%
# ``text.batches(60, 32)`` draws batches of 32 windows of 60 letters, and ``'embedding'`` gives each
# letter a vector of 16 numbers that are learned. Any text will do, such as a book. These
# sentences are made at random so that it is known how well they can be predicted at best.
#
# The network has never seen the following sentences. The number of **bits** for each letter is
# the mean of -log2 of the probability that the network gave it:

new = sentences(300, seed=1)
numbers = np.array(text.encode(new))
p = net.predict_proba(numbers[:-1, None])[:, 0]  # (letters, alphabet)

frequency = np.bincount(text.numbers, minlength=text.size) / len(text.numbers)
choices = np.prod([float(len(words)) for words in WORDS])
print(f'network                    {rnnkit.metrics.bits(numbers[1:], p):.3f} bits')
print(f'at best                    {300 * np.log2(choices) / len(new):.3f} bits')
print(f'by the frequency of letters {-np.log2(frequency[numbers]).mean():.3f} bits')

# %%
# The bits of single letters show what the network has learned. Words start with a surprise, and
# go on without:

import matplotlib.pyplot as plt

start = new.index('\n') + 1  # of the second sentence
shown = range(start, start + 68)
letters = ''.join(new[k] for k in shown)
bits = [-np.log2(p[k - 1, numbers[k]]) for k in shown]

figure, ax = plt.subplots(figsize=(9, 2.4), layout='constrained')
ax.bar(range(len(letters)), bits)
ax.set_xticks(range(len(letters)), letters.replace('\n', '↵'), family='monospace')
ax.tick_params(axis='x', length=0)
ax.set(xlabel='letter', ylabel='surprise (bits)', xlim=(-1, len(letters)))
plt.show()

# %%
# Temperature and beams
# ---------------------
# Logits are divided by the ``temperature`` before a letter is drawn: below 1 the text becomes more
# regular, above 1 wilder. ``top_k`` and ``top_p`` leave out what is unlikely. A **beam search**
# (``beam``) draws nothing, and looks for the most likely text:

seed = text.encode('the old ')
for temperature in (0.3, 1, 2):
    labels = net.generate(seed, 50, temperature=temperature, rng=0)
    print(f'temperature {temperature:<3}: {text.decode(labels)!r}')
labels = net.generate(seed, 50, beam=8)
print(f'beam search    : {text.decode(labels)!r}')

# %%
# One-hot or embedding?
# ---------------------
# A letter may be read as a one-hot vector instead, which has a 1 in its place and 0 elsewhere.
# Then there is no ``'embedding'``, and the batches are ``classifier_batches``. It learns as
# well for an alphabet of this size. For thousands of words only an embedding is practical.

one_hot = rnnkit.Classifier([text.size, ('gru', 64), text.size], seed=0)
draw = text.classifier_batches(60, 32, rng=0)
one_hot.train(draw, algo='adam', learning_rate=0.005, epochs=10)

p = one_hot.predict_proba(np.eye(text.size)[numbers[:-1], None])[:, 0]
print(f'one-hot: {rnnkit.metrics.bits(numbers[1:], p):.3f} bits')

# %%
# Next
# ----
# - :ref:`generating`: all options, and numbers, keys or counts in place of letters;
# - :doc:`/text`: words instead of letters, and a text that is read in order;
# - :doc:`/gallery/seq2seq`: a text that answers another;
# - the reference of `rnnkit.recurrent.Text` and `rnnkit.Classifier`.
