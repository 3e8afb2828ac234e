"""Read a sum as characters and write its value as characters: sequence-to-sequence.

A recurrent layer, the encoder, reads '12+345'. Its last hidden state is the initial state of
another one, the decoder, which writes '357' and then a full stop, the end of the answer. At each
step the decoder reads the previous character; the first one that it reads is a full stop, too:

    encoder reads    1  2  +  3  4  5
    decoder reads    .  3  5  7
    target           3  5  7  .

In training, the decoder reads the correct characters, whatever it would have written (teacher
forcing). In `generate` it reads its own output. Questions and answers have different lengths, so
data are lists of sequences, and the network is `masked`.

An answer is correct if all its characters are. Neither the sums of the validation data nor the
same sums with their numbers swapped are training data. The best constant answer is nearly always
wrong.

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
    """Return pairs of numbers (N, 2): a tenth for validation, the others in both orders."""
    top = 10**digits
    if top * (top + 1) // 2 <= examples:  # few enough to list all
        pairs = np.transpose(np.triu_indices(top))
    else:
        pairs = np.unique(np.sort(rng.integers(0, top, (examples, 2))), axis=0)
    pairs = rng.permutation(pairs)
    validation, training = np.split(pairs, [len(pairs) // 10])
    return validation, np.unique(np.concatenate([training, training[:, ::-1]]), axis=0)


def encode(pairs):
    """Return the inputs of the encoder and the decoder, and the targets, as three lists."""
    questions = [ALPHABET.encode(f'{a}+{b}') for a, b in pairs]
    answers = [ALPHABET.encode(f'{a + b}.') for a, b in pairs]
    return [questions, [[STOP, *answer[:-1]] for answer in answers], answers]


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
    """Train an encoder and a decoder, let them answer new questions, draw the errors.

    Returns
    -------
    results : dict
        ``'error'``, the share of answers with a wrong character, and that of the best
        ``'constant'`` answer; the ``'loss'``, the cross-entropy per character; the number of
        ``'updates'``; the ``'seconds'`` of training, compilation included, and the seconds of
        ``'processor'`` time.
    """
    validation, training = make_pairs(digits, examples, np.random.default_rng(seed))
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
        return [ALPHABET.decode(tokens).split('.')[0] for tokens in labels.T]

    start, start_cpu = time.perf_counter(), time.process_time()
    batches = min(updates, -(-len(training) // batch_size))  # in one epoch
    epochs = updates // batches
    options = {
        'algo': algo,
        'batch_size': batch_size,
        'train_batches': batches,
        'epochs': epochs,
        'learning_rate': rnnkit.schedules.Cosine(learning_rate, epochs * batches),
        'validate_every': 2,
        'patience': epochs,
    }
    for _, valid in net.itertrain(encode(training), encode(validation), **options):
        loss = valid['loss']
        if loss < goal:
            break  # the best parameters are restored
    sums = validation.sum(axis=1)
    answers = answer(validation)
    correct = np.array([text == str(value) for text, value in zip(answers, sums, strict=True)])
    results = {
        'error': float(1 - correct.mean()),
        'constant': float(1 - np.bincount(sums).max() / len(sums)),
        'loss': loss,
        'updates': net.history[-1]['updates'],
        'seconds': time.perf_counter() - start,
        'processor': time.process_time() - start_cpu,
    }
    for (a, b), text in list(zip(validation, answers, strict=True))[:5]:
        print(f'{a}+{b} = {text}{"" if text == str(a + b) else "  (wrong)"}')
    if plot:
        draw(plot, net, validation, correct)
    return results


def draw(path, net, pairs, correct):
    """Draw the error during training, the wrong answers, and the encoder's hidden states."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("no picture: matplotlib is missing; run: pip install 'rnnkit[plot]'")
        return
    figure = Figure(figsize=(11, 3.6), layout='constrained')
    curve, where, inside = figure.subplots(1, 3)
    for name, label in (('loss', 'training'), ('valid_loss', 'validation')):
        points = [(r['updates'], r[name]) for r in net.history if r.get(name) is not None]
        curve.semilogy(*zip(*points, strict=True), label=label)
    curve.set(xlabel='updates', ylabel='cross-entropy per character', title='During training')
    curve.legend(fontsize='small')
    where.plot(*pairs[correct].T, '.', ms=3, color='0.75', label='correct')
    where.plot(*pairs[~correct].T, 'x', color='tab:red', label='wrong')
    where.set(xlabel='smaller number', ylabel='larger number', title='Answers to new sums')
    where.legend(fontsize='small', loc='lower right')
    questions, before, _ = encode(pairs)
    state = net.feed_forward([questions, before])['encoder:last']  # (B, size)
    centred = state - state.mean(axis=0)
    components = centred @ np.linalg.svd(centred)[2][:2].T  # (B, 2)
    points = inside.scatter(*components.T, c=pairs.sum(axis=1), s=6, cmap='viridis')
    figure.colorbar(points, label='value of the sum')
    inside.set(
        xlabel='first principal component', ylabel='second', title='Hidden states of the encoder'
    )
    figure.savefig(path, dpi=130)
    print(f'picture: {path}')


if __name__ == '__main__':
    parser = argparse.ArgumentParser(
        description='Train an encoder and a decoder to add numbers written as characters.',
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    option = parser.add_argument
    option('--digits', type=int, metavar='D', help='maximum number of digits')
    option('--examples', type=int, metavar='N', help='maximum number of sums')
    option('--embedding', type=int, metavar='E', help='size of the embedding')
    option('--size', type=int, metavar='H', help='LSTM units of the encoder, and of the decoder')
    option('--batch-size', type=int, metavar='B', help='sums in a batch')
    option('--algo', choices=sorted(rnnkit.optimizers.registry), help='update rule')
    option('--learning-rate', type=float, metavar='RATE', help='initial rate; it falls to 0')
    option('--updates', type=int, metavar='N', help='maximum number of updates')
    option('--goal', type=float, metavar='XE', help='stop training at this cross-entropy')
    option(
        '--tolerance',
        type=float,
        metavar='E',
        help='fail if more answers are wrong',
    )
    option('--seed', type=int, help='random seed of the initial weights and the data')
    option('--plot', metavar='FILE', help='file for a picture')
    parser.set_defaults(**main.__kwdefaults__, tolerance=0.05)
    options = vars(parser.parse_args())
    tolerance = options.pop('tolerance')
    results = main(**options)
    print(
        f'{results["updates"]} updates in {results["seconds"]:.0f} s, '
        f'{results["processor"]:.0f} s of processor time'
    )
    print(
        f'{100 * results["error"]:.1f} % of the answers to new sums are wrong; '
        f'the best constant answer has {100 * results["constant"]:.1f} %'
    )
    if not results['error'] < tolerance:
        sys.exit(f'FAILED: the share is not below {100 * tolerance:g} %')
