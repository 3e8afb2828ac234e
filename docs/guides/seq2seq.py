"""
Translate sequences
===================
"""

import datetime
import numpy as np
import time
import rnnkit

def dates(days, rng):
    pairs = []
    for day in days:
        d = datetime.date.fromordinal(int(day))
        style = rng.choice(['{0:%A}, {0.day} {0:%B} {0.year}', '{0:%B} {0.day}, {0.year}', '{0.day} {0:%b} {0.year}', '{0:%a} {0:%b} {0.day}, {0.year}'])
        pairs.append((style.format(d), d.isoformat()))
    return pairs
rng = np.random.default_rng(0)
first = datetime.date(1970,1,1).toordinal()
days = rng.permutation(np.arange(first, first+36525//2))
new, known = dates(days[:500], rng), dates(rng.choice(days[500:], 4000), rng)
text = rnnkit.recurrent.Text([*'\0'] + [c for p in known for s in p for c in s], min_count=0) if 0 else None
letters = '\n' + ''.join(sorted({c for p in known+new for s in p for c in s}))
code = {c: i for i, c in enumerate(letters)}
def encode(pairs):
    source = [[code[c] for c in a] for a, _ in pairs]
    answer = [[code[c] for c in b + '\n'] for _, b in pairs]
    before = [[0, *a[:-1]] for a in answer]
    return [source, before, answer]
n = len(letters)
def make(*look): return rnnkit.Classifier([
    n, ('embedding', 16), dict(form='bidirectional', worker='gru', size=64, name='encoder'),
    dict(form='input', size=n, name='before'), ('embedding', 16),
    dict(form='gru', size=64, h_0='encoder'),
    *look, n], masked=True, seed=0)
for look in ([dict(form='attention', size=64, memory='encoder', name='look', score='general')], []):
    net = make(*look)
    t0=time.time()
    train, valid = encode(known[:3600]), encode(known[3600:])
    net.train(train, valid, epochs=12, algo='adam', learning_rate=0.005, validate_every=4)
    print(time.time()-t0)
    out = net.generate(encode(new)[0], 12, start=0, stop=0, temperature=0)
    said = [''.join(letters[k] for k in col).split('\n')[0] for col in out.T]
    print(np.mean([a == b for a, (_, b) in zip(said, new)]), said[:3], new[:3])
    out = net.generate(encode(new)[0], 12, start=0, stop=0, beam=4)
    said = [''.join(letters[k] for k in col).split('\n')[0] for col in out.T]
    print(np.mean([a == b for a, (_, b) in zip(said, new)]), time.time()-t0)
