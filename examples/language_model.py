"""Learn a text, tell how well its next characters are guessed, and write some more of it.

A recurrent network reads a text and says at each character, or word, how probable each one is to
come next. It learns from 95 % of the text and is judged by the rest:

    read        w   h   e   n       t   h   e       k   i   n
    next        h   e   n       t   h   e       k   i   n   g

`bits` is the mean of -log2 p of what really came next: what the text takes if the network packs
it. 2 to that power is the `perplexity`, the number of choices between which the network wavers.
Without learning, the frequencies of characters alone take 4 to 5 bits in English.

The text is cut into streams that lie side by side in a batch. They are learned window by window,
and each window starts from the state after the one before it (`carry_state`).

Without a file, the text is made of random sentences. Each word is drawn from a short list, so it
is known how few bits a character can take.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np

import rnnkit
from rnnkit.recurrent import Text, fold

WORDS = [
    ['the', 'a', 'one', 'no'],
    ['old', 'small', 'quiet', 'brown'],
    ['cat', 'queen', 'river', 'tree', 'wolf', 'boat', 'child', 'moon'],
    ['sees', 'likes', 'finds', 'follows'],
]
SENTENCE = [0, 1, 2, 3, 0, 1, 2]  # a random word of each of these lists


def make_text(sentences, rng):
    """Return random sentences, and the least number of bits that a character can take."""
    drawn = [[rng.choice(WORDS[k]) for k in SENTENCE] for _ in range(sentences)]
    text = ''.join(' '.join(words) + '.\n' for words in drawn)
    return text, sentences * sum(np.log2(len(WORDS[k])) for k in SENTENCE) / len(text)


def read(file, level, sentences, rng):
    """Return a Text for training, the numbers of the held-back end, and the least bits or None."""
    if file is None:
        string, least = make_text(sentences, rng)
    else:
        string, least = Path(file).read_text('utf-8'), None
    symbols = string if level == 'character' else string.replace('\n', ' \n ').split(' ')
    cut = len(symbols) * 95 // 100
    text = Text(symbols[:cut])
    return text, np.array(text.encode(symbols[cut:])), least if level == 'character' else None


def main(
    file=None,
    *,
    sentences=2000,
    level='character',
    embedding=64,
    size=128,
    layers=2,
    dropout=0.0,
    batch_size=32,
    steps=32,
    algo='adam',
    learning_rate=0.003,
    updates=6300,
    goal=0.5,
    write=400,
    temperature=0.8,
    seed=1,
    plot='',
):
    """Train a network on a text, judge it by the last 5 %, let it write, draw how it learned.

    Returns
    -------
    found : dict
        ``'error'``, the bits that a symbol takes, and the ``'chance'`` of frequencies beside it;
        ``'perplexity'``; the number of ``'updates'``; the ``'seconds'`` of training, with those to
        compile, and the seconds of ``'processor'`` time.
    """
    rng = np.random.default_rng(seed)
    text, held_back, least = read(file, level, sentences, rng)
    train, valid = (
        [fold(numbers[:-1], streams), fold(numbers[1:], streams)]  # (T, B): now, next
        for numbers, streams in ((text.numbers, batch_size), (held_back, 8))
    )
    V = text.size
    hidden = [('lstm', size), ('dropout', dropout)] * layers
    net = rnnkit.Classifier([V, ('embedding', embedding), *hidden, V], seed=seed)
    print(f'{text}; {net.num_params:,} parameters')

    windows = -(-len(train[0]) // steps)  # in a pass through the text
    epochs = max(1, updates // windows)
    last = min(updates, epochs * windows)
    options = {
        'algo': algo,
        'learning_rate': lambda n: learning_rate * max(0.01, 1 - n / last),
        'carry_state': True,
        'bptt_steps': steps,
        'train_batches': min(updates, windows),
        'epochs': epochs,
        'validate_every': 1,
        'patience': epochs,
    }
    start, used = time.perf_counter(), time.process_time()
    for _, judged in net.itertrain(train, valid, **options):
        bits = judged['loss'] / np.log(2)  # 'loss' is in nats
        print(
            f'epoch {len(net.history)} of {epochs}: {bits:.3f} bits, perplexity {2**bits:.2f}, '
            f'{time.perf_counter() - start:.0f} s',
            flush=True,
        )
        if bits < goal:
            break
    p = net.predict_proba(valid[0])
    shares = np.bincount(text.numbers, minlength=V) + 1.0
    found = {
        'error': rnnkit.metrics.bits(valid[1], p),
        'chance': float(np.log2(shares.sum() / shares[valid[1]]).mean()),
        'perplexity': rnnkit.metrics.perplexity(valid[1], p),
        'updates': net.history[-1]['updates'],
        'seconds': time.perf_counter() - start,
        'processor': time.process_time() - used,
    }
    seeds = held_back[:20]
    more = net.generate(seeds, write, temperature=temperature, rng=seed)[:, 0]
    print(f'--- it goes on: {text.decode(seeds)}|{text.decode(more)}\n---')
    if plot:
        here = valid[1][:60, 0]
        draw(plot, text, here, p[np.arange(len(here)), 0, here], net.history, found, least)
    return found


def draw(path, text, numbers, p, history, found, least):
    """Draw the bits while learning, and those of the first symbols that were held back."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("no picture: matplotlib is missing; pip install 'rnnkit[plot]' brings it")
        return
    figure = Figure(figsize=(9, 5.6), layout='constrained')
    curve, bars = figure.subplots(2, 1)
    for name, label in (('loss', 'training'), ('valid_loss', 'held back')):
        curve.plot(history['updates'], np.array(history[name]) / np.log(2), '.-', label=label)
    curve.axhline(found['chance'], color='0.4', ls='--', lw=1, label='frequencies alone')
    if least:
        curve.axhline(least, color='0.4', lw=1, label='least possible')
    curve.set(xlabel='updates', ylabel=f'bits for each {text.level}', ylim=(0, None))
    curve.legend(fontsize='small')
    bars.bar(np.arange(len(p)), -np.log2(p), color='tab:orange')
    shown = [text.decode([n]).replace(' ', '␣').replace('\n', '⏎') for n in numbers]
    bars.set_xticks(np.arange(len(p)), shown, rotation=90 * (text.level == 'word'))
    bars.set(ylabel='bits', title='What was hard to guess in text that was held back')
    bars.set(xlim=(-1, len(p)))
    figure.savefig(path, dpi=130)
    print(f'picture: {path}')


if __name__ == '__main__':
    parser = argparse.ArgumentParser(
        description='Learn a text, tell how well it is guessed, and write some more of it.',
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    option = parser.add_argument
    option('file', nargs='?', help='a text; without one, random sentences')
    option('--sentences', type=int, metavar='N', help='how many of them')
    option('--level', choices=('character', 'word'), help='what is guessed')
    option('--embedding', type=int, metavar='E', help='numbers for each character or word')
    option('--size', type=int, metavar='H', help='LSTM units in a layer')
    option('--layers', type=int, metavar='N', help='number of LSTM layers')
    option('--dropout', type=float, metavar='P', help='share of outputs that are left out')
    option('--batch-size', type=int, metavar='B', help='streams side by side')
    option('--steps', type=int, metavar='T', help='length of a window')
    option('--algo', choices=sorted(rnnkit.optimizers.registry), help='update rule')
    option('--learning-rate', type=float, metavar='RATE', help='at first; it falls to almost 0')
    option('--updates', type=int, metavar='N', help='train no longer than this')
    option('--goal', type=float, metavar='BITS', help='end training here')
    option('--write', type=int, metavar='N', help='how much to write')
    option('--temperature', type=float, help='how boldly to write')
    option(
        '--tolerance',
        type=float,
        metavar='BITS',
        help='fail if it takes more; for characters 2.3, for words as frequencies',
    )
    option('--seed', type=int, help='drives initial weights and what is written')
    option('--plot', metavar='FILE', help='where a picture goes, if one is wanted')
    parser.set_defaults(**main.__kwdefaults__)
    given = vars(parser.parse_args())
    tolerance = given.pop('tolerance')
    found = main(**given)
    print(
        f'{found["updates"]} updates in {found["seconds"]:.0f} s, '
        f'{found["processor"]:.0f} s of processor time'
    )
    print(
        f'{found["error"]:.3f} bits for each {given["level"]}, perplexity '
        f'{found["perplexity"]:.2f}; frequencies alone take {found["chance"]:.2f}'
    )
    if tolerance is None:
        tolerance = 2.3 if given['level'] == 'character' else found['chance']
    if not found['error'] < tolerance:
        sys.exit(f'FAILED: not below {tolerance:g} bits')
