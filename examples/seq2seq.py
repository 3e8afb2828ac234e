"""Read a sum as characters, write its value as characters: an encoder and a decoder.

One recurrent network, the encoder, reads '12+345'. Its last state is the first state of another
one, the decoder, which writes '357' and then a full stop, to say that it is done. At each step the
decoder reads the character before; the first one that it reads is a full stop, too:

    encoder reads    1  2  +  3  4  5
    decoder reads    .  3  5  7
    target           3  5  7  .

While it learns, the decoder reads the right characters, whatever it would have written ("teacher
forcing"). After that `generate` lets it read what it writes. Questions and answers are of different
lengths, so data are lists of sequences, and the network is `masked`.

An answer is right if all its characters are. It is judged by sums that were not learned from,
nor were they with their two numbers exchanged. The best constant answer is nearly always wrong.

Sutskever, Vinyals & Le 2014, "Sequence to sequence learning with neural networks", NeurIPS 27.
"""

import argparse
import sys
import time

import numpy as np

import rnnkit
from rnnkit.recurrent import Text

ALPHABET = Text('0123456789+.', min_count=1)
STOP = ALPHABET.encode('.')[0]


def make_pairs(digits, examples, rng):
    """Return pairs of numbers (N, 2), a tenth to be judged by, and the others in both orders."""
    top = 10**digits
    if top * (top + 1) // 2 <= examples:  # so few that all can be listed
        pairs = np.transpose(np.triu_indices(top))
    else:
        pairs = np.unique(np.sort(rng.integers(0, top, (examples, 2))), axis=0)
    pairs = rng.permutation(pairs)
    held_back, learned = np.split(pairs, [len(pairs) // 10])
    return held_back, np.unique(np.concatenate([learned, learned[:, ::-1]]), axis=0)


def encode(pairs):
    """Return what the encoder reads, what the decoder reads, and the target, as three lists."""
    questions = [ALPHABET.encode(f'{a}+{b}') for a, b in pairs]
    answers = [ALPHABET.encode(f'{a + b}.') for a, b in pairs]
    return [questions, [[STOP, *one[:-1]] for one in answers], answers]


def main(
    *,
    digits=2,
    examples=20_000,
    embedding=16,
    size=128,
    batch_size=64,
    algo='adam',
    learning_rate=0.005,
    updates=6000,
    goal=0.01,
    seed=1,
    plot='',
):
    """Train an encoder and a decoder, let them answer new questions, draw how they learned.

    Returns
    -------
    found : dict
        ``'error'``, the share of answers that are not right in all characters, and that of the
        best ``'constant'`` answer beside it; the ``'loss'``, the cross-entropy of a character; the
        number of ``'updates'``; the ``'seconds'`` of training, with those to compile, and the
        seconds of ``'processor'`` time.
    """
    held_back, learned = make_pairs(digits, examples, np.random.default_rng(seed))
    V = ALPHABET.size
    net = rnnkit.Classifier(
        [
            V,
            ('embedding', embedding),
            dict(form='lstm', size=size, name='encoder'),
            dict(form='input', size=V, name='before'),
            ('embedding', embedding),
            dict(form='lstm', size=size, h_0='encoder', c_0='encoder', name='decoder'),
            V,
        ],
        masked=True,
        seed=seed,
    )

    def answer(pairs):
        labels = net.generate(encode(pairs)[0], digits + 2, start=STOP, stop=STOP, temperature=0)
        return [ALPHABET.decode(one).split('.')[0] for one in labels.T]

    start, used = time.perf_counter(), time.process_time()
    in_epoch = min(updates, -(-len(learned) // batch_size))
    epochs = updates // in_epoch
    options = {
        'algo': algo,
        'batch_size': batch_size,
        'train_batches': in_epoch,
        'epochs': epochs,
        'learning_rate': rnnkit.schedules.Cosine(learning_rate, epochs * in_epoch),
        'validate_every': 2,
        'patience': epochs,
    }
    for _, valid in net.itertrain(encode(learned), encode(held_back), **options):
        loss = valid['loss']
        if loss < goal:
            break  # the best parameters are restored, as at any end of a training
    sums = held_back.sum(axis=1)
    answers = answer(held_back)
    right = np.array([text == str(value) for text, value in zip(answers, sums, strict=True)])
    found = {
        'error': float(1 - right.mean()),
        'constant': float(1 - np.bincount(sums).max() / len(sums)),
        'loss': loss,
        'updates': net.history[-1]['updates'],
        'seconds': time.perf_counter() - start,
        'processor': time.process_time() - used,
    }
    for (a, b), text in list(zip(held_back, answers, strict=True))[:5]:
        print(f'{a}+{b} = {text}{"" if text == str(a + b) else "  (wrong)"}')
    if plot:
        draw(plot, net, held_back, right)
    return found


def draw(path, net, pairs, right):
    """Draw the error while learning, where answers are wrong, and the states of the encoder."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("no picture: matplotlib is missing; pip install 'rnnkit[plot]' brings it")
        return
    figure = Figure(figsize=(11, 3.6), layout='constrained')
    curve, where, inside = figure.subplots(1, 3)
    for name, label in (('loss', 'training'), ('valid_loss', 'new sums')):
        known = [(r['updates'], r[name]) for r in net.history if r.get(name) is not None]
        curve.semilogy(*zip(*known, strict=True), label=label)
    curve.set(xlabel='updates', ylabel='cross-entropy of a character', title='While learning')
    curve.legend(fontsize='small')
    where.plot(*pairs[right].T, '.', ms=3, color='0.75', label='right')
    where.plot(*pairs[~right].T, 'x', color='tab:red', label='wrong')
    where.set(xlabel='smaller number', ylabel='larger number', title='Answers to new sums')
    where.legend(fontsize='small', loc='lower right')
    questions, before, _ = encode(pairs)
    state = net.feed_forward([questions, before])['encoder:last']  # (B, size)
    flat = (state - state.mean(axis=0)) @ np.linalg.svd(state - state.mean(axis=0))[2][:2].T
    points = inside.scatter(*flat.T, c=pairs.sum(axis=1), s=6, cmap='viridis')
    figure.colorbar(points, label='value of the sum')
    inside.set(xlabel='first principal component', ylabel='second', title='States of the encoder')
    figure.savefig(path, dpi=130)
    print(f'picture: {path}')


if __name__ == '__main__':
    parser = argparse.ArgumentParser(
        description='Train an encoder and a decoder to add numbers that are written as characters.',
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    option = parser.add_argument
    option('--digits', type=int, metavar='D', help='digits of each number, at most')
    option('--examples', type=int, metavar='N', help='how many sums to make, at most')
    option('--embedding', type=int, metavar='E', help='numbers for each character')
    option('--size', type=int, metavar='H', help='LSTM units of the encoder, and of the decoder')
    option('--batch-size', type=int, metavar='B', help='sums in a batch')
    option('--algo', choices=sorted(rnnkit.optimizers.registry), help='update rule')
    option('--learning-rate', type=float, metavar='RATE', help='at first; it falls to 0')
    option('--updates', type=int, metavar='N', help='train no longer than this')
    option('--goal', type=float, metavar='XE', help='end training at this cross-entropy')
    option('--tolerance', type=float, metavar='E', help='fail if more answers are wrong')
    option('--seed', type=int, help='drives initial weights and data')
    option('--plot', metavar='FILE', help='where a picture goes, if one is wanted')
    parser.set_defaults(**main.__kwdefaults__, tolerance=0.05)
    given = vars(parser.parse_args())
    tolerance = given.pop('tolerance')
    found = main(**given)
    print(
        f'{found["updates"]} updates in {found["seconds"]:.0f} s, '
        f'{found["processor"]:.0f} s of processor time'
    )
    print(
        f'{100 * found["error"]:.1f} % of the answers to new sums are wrong; '
        f'of the best constant answer {100 * found["constant"]:.1f} %'
    )
    if not found['error'] < tolerance:
        sys.exit(f'FAILED: not less than {100 * tolerance:g} %')
