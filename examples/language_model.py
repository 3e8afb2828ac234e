"""Train a language model of characters or words, evaluate it, and generate text.

A recurrent network reads a text. After each token, a character or a word, it predicts the
probabilities of the next one. 95 % of the text are training data, the rest validation data:

    read        w   h   e   n       t   h   e       k   i   n
    next        h   e   n       t   h   e       k   i   n   g

`bits` is the mean of -log2 p of the real next token: the size of the text if the network compresses
it. 2 to that power is the `perplexity`, the number of equally likely tokens that would be as
uncertain. In English, the frequencies of characters alone give 4 to 5 bits.

The text is cut into streams, which are the examples of a batch. They are read window by window, and
each window starts from the last hidden state of the one before (`carry_state`).

Without a file, the text is made of random sentences. Each word is drawn from a short list, so the
smallest possible number of bits is known.
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
    """Return random sentences, and the smallest possible number of bits per character."""
    lists = [[rng.choice(WORDS[k]) for k in SENTENCE] for _ in range(sentences)]
    text = ''.join(' '.join(words) + '.\n' for words in lists)
    return text, sentences * sum(np.log2(len(WORDS[k])) for k in SENTENCE) / len(text)


def read(file, level, sentences, rng):
    """Return a Text for training, token numbers for validation, and the least bits or None."""
    if file is None:
        string, least = make_text(sentences, rng)
    else:
        string, least = Path(file).read_text('utf-8'), None
    tokens = string if level == 'character' else string.replace('\n', ' \n ').split(' ')
    cut = len(tokens) * 95 // 100
    text = Text(tokens[:cut])
    return text, np.array(text.encode(tokens[cut:])), least if level == 'character' else None


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
    """Train a network on a text, validate it on the last 5 %, generate text, draw the errors.

    Returns
    -------
    results : dict
        ``'error'``, the bits per token, and ``'chance'``, those of the frequencies alone;
        ``'perplexity'``; the number of ``'updates'``; the ``'seconds'`` of training, compilation
        included, and the seconds of ``'processor'`` time.
    """
    rng = np.random.default_rng(seed)
    text, validation, least = read(file, level, sentences, rng)
    train, valid = (
        [fold(numbers[:-1], streams), fold(numbers[1:], streams)]  # (T, B): this token, the next
        for numbers, streams in ((text.numbers, batch_size), (validation, 8))
    )
    V = text.size
    hidden = [('lstm', size), ('dropout', dropout)] * layers
    net = rnnkit.Classifier([V, ('embedding', embedding), *hidden, V], seed=seed)
    print(f'{text}; {net.num_params:,} parameters')

    windows = -(-len(train[0]) // steps)  # in one epoch
    epochs = max(1, updates // windows)
    total = min(updates, epochs * windows)
    options = {
        'algo': algo,
        'learning_rate': lambda n: learning_rate * max(0.01, 1 - n / total),
        'carry_state': True,
        'bptt_steps': steps,
        'train_batches': min(updates, windows),
        'epochs': epochs,
        'validate_every': 1,
        'patience': epochs,
    }
    start, start_cpu = time.perf_counter(), time.process_time()
    for _, monitors in net.itertrain(train, valid, **options):
        bits = monitors['loss'] / np.log(2)  # 'loss' is in nats
        print(
            f'epoch {len(net.history)} of {epochs}: {bits:.3f} bits, perplexity {2**bits:.2f}, '
            f'{time.perf_counter() - start:.0f} s',
            flush=True,
        )
        if bits < goal:
            break
    p = net.predict_proba(valid[0])
    counts = np.bincount(text.numbers, minlength=V) + 1.0
    results = {
        'error': rnnkit.metrics.bits(valid[1], p),
        'chance': float(np.log2(counts.sum() / counts[valid[1]]).mean()),
        'perplexity': rnnkit.metrics.perplexity(valid[1], p),
        'updates': net.history[-1]['updates'],
        'seconds': time.perf_counter() - start,
        'processor': time.process_time() - start_cpu,
    }
    prompt = validation[:20]
    generated = net.generate(prompt, write, temperature=temperature, rng=seed)[:, 0]
    print(f'--- generated: {text.decode(prompt)}|{text.decode(generated)}\n---')
    if plot:
        tokens = valid[1][:60, 0]
        p_tokens = p[np.arange(len(tokens)), 0, tokens]
        draw(plot, text, tokens, p_tokens, net.history, results['chance'], least)
    return results


def draw(path, text, tokens, p, history, chance, least):
    """Draw the bits during training, and those of the first tokens of the validation data."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("no picture: matplotlib is missing; run: pip install 'rnnkit[plot]'")
        return
    figure = Figure(figsize=(9, 5.6), layout='constrained')
    curve, bars = figure.subplots(2, 1)
    for name, label in (('loss', 'training'), ('valid_loss', 'validation')):
        curve.plot(history['updates'], np.array(history[name]) / np.log(2), '.-', label=label)
    curve.axhline(chance, color='0.4', ls='--', lw=1, label='frequencies alone')
    if least:
        curve.axhline(least, color='0.4', lw=1, label='smallest possible')
    curve.set(xlabel='updates', ylabel=f'bits per {text.level}', ylim=(0, None))
    curve.legend(fontsize='small')
    bars.bar(np.arange(len(p)), -np.log2(p), color='tab:orange')
    labels = [text.decode([n]).replace(' ', '␣').replace('\n', '⏎') for n in tokens]
    bars.set_xticks(np.arange(len(p)), labels, rotation=90 * (text.level == 'word'))
    bars.set(ylabel='bits', title=f'Bits of each {text.level} at the start of the validation data')
    bars.set(xlim=(-1, len(p)))
    figure.savefig(path, dpi=130)
    print(f'picture: {path}')


if __name__ == '__main__':
    parser = argparse.ArgumentParser(
        description='Train a language model, evaluate it, and generate text.',
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    option = parser.add_argument
    option('file', nargs='?', help='a text; without one, random sentences')
    option('--sentences', type=int, metavar='N', help='number of random sentences')
    option('--level', choices=('character', 'word'), help='what a token is')
    option('--embedding', type=int, metavar='E', help='size of the embedding')
    option('--size', type=int, metavar='H', help='LSTM units in a layer')
    option('--layers', type=int, metavar='N', help='number of LSTM layers')
    option('--dropout', type=float, metavar='P', help='probability of dropout after each LSTM')
    option('--batch-size', type=int, metavar='B', help='number of streams')
    option('--steps', type=int, metavar='T', help='length of a window')
    option('--algo', choices=sorted(rnnkit.optimizers.registry), help='update rule')
    option('--learning-rate', type=float, metavar='RATE', help='initial rate; it falls to almost 0')
    option('--updates', type=int, metavar='N', help='maximum number of updates')
    option('--goal', type=float, metavar='BITS', help='stop training at so many bits')
    option('--write', type=int, metavar='N', help='number of tokens to generate')
    option('--temperature', type=float, help='temperature of sampling')
    option(
        '--tolerance',
        type=float,
        metavar='BITS',
        help='fail if bits are not below; None: 2.3 for characters, frequencies for words',
    )
    option('--seed', type=int, help='random seed of the initial weights and the generated text')
    option('--plot', metavar='FILE', help='file for a picture')
    parser.set_defaults(**main.__kwdefaults__)
    options = vars(parser.parse_args())
    tolerance = options.pop('tolerance')
    results = main(**options)
    print(
        f'{results["updates"]} updates in {results["seconds"]:.0f} s, '
        f'{results["processor"]:.0f} s of processor time'
    )
    print(
        f'{results["error"]:.3f} bits per {options["level"]}, perplexity '
        f'{results["perplexity"]:.2f}; frequencies alone give {results["chance"]:.2f} bits'
    )
    if tolerance is None:
        tolerance = 2.3 if options['level'] == 'character' else results['chance']
    if not results['error'] < tolerance:
        sys.exit(f'FAILED: not below {tolerance:g} bits')
