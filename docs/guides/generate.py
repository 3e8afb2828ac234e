"""
Generate text
=============

A character model reads a text letter by letter, and predicts the next one at each step. Then it
writes: each letter that it draws is what it reads next.
"""

import numpy as np

import rnnkit

rng = np.random.default_rng(0)
WORDS = [
    ['the', 'a', 'one', 'every'],
    ['old', 'small', 'quiet', 'hungry', 'clever', 'tired', 'young', 'friendly'],
    ['cat', 'sailor', 'teacher', 'rabbit', 'farmer', 'queen', 'dragon', 'robot'],
    ['sees', 'follows', 'finds', 'paints', 'feeds', 'greets', 'admires', 'forgets'],
    ['the', 'a', 'another', 'that'],
    ['house', 'river', 'garden', 'mountain', 'lantern', 'piano', 'bridge', 'letter'],
]


def write(sentences):
    return ''.join(' '.join(map(rng.choice, WORDS)) + '.\n' for _ in range(sentences))


text = rnnkit.recurrent.Text(write(3000))
net = rnnkit.Classifier([text.size, ('embedding', 16), ('gru', 64), text.size], seed=0)
net.train(text.batches(60, 32, rng=0), epochs=15, algo='adam', learning_rate=0.005)
labels = net.generate(text.encode('the old '), 120, rng=0)
print('the old ' + text.decode(labels[:, 0]))

# %%
# Temperature

for temperature in (0.3, 1, 2):
    labels = net.generate(text.encode('the '), 60, temperature=temperature, rng=1)
    print(f'{temperature}: ' + repr(text.decode(labels[:, 0])))
labels = net.generate(text.encode('the '), 40, beam=8)
print('beam: ' + repr(text.decode(labels[:, 0])))

# %%
new = write(300)
numbers = np.array(text.encode(new))
p = net.predict_proba(numbers[:-1, None])[:, 0]
bits = -np.log2(p[np.arange(len(p)), numbers[1:]])
least = 300 * sum(np.log2(len(w)) for w in WORDS) / len(new)
counts = np.bincount(text.numbers, minlength=text.size) / len(text.numbers)
print(bits.mean(), least, -np.log2(counts[numbers]).mean(), rnnkit.metrics.bits(numbers[1:], p))

# %%
import matplotlib.pyplot as plt

figure, ax = plt.subplots(figsize=(9, 2.6), layout='constrained')
n = 75
ax.bar(range(n), bits[:n], color='C0', width=0.8)
ax.set_xticks(range(n), [c.replace('\n', '↵').replace(' ', '␣') for c in new[1 : n + 1]], fontsize=8, family='monospace')
ax.set(xlabel='letter', ylabel='bits')
