"""Classify texts: whether a review is positive, or what a question asks for.

A recurrent network reads the tokens of a text, words and punctuation marks. Each token is a row of
a table, the embedding, which is trained from scratch with the other parameters. The last hidden
state of the LSTM decides:

    the  film  is  not  as  bad  as  they  say    ->  1, a good review

Files have a label and a text in each line. The first is for training, the second for the test:

    python sentiment.py TREC.train.all TREC.test.all

A folder may have the IMDB reviews (Maas et al. 2011; 50,000 of them, half for the test), which
`--download FOLDER` fetches. Without arguments, the program generates reviews. Their label depends
on the last adjective and on a `not` before it, and so on the order of the words.
"""

import argparse
import re
import sys
import tarfile
import time
import urllib.request
from pathlib import Path

import numpy as np

import rnnkit
from rnnkit.recurrent import Text

IMDB = 'https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz'
ADJECTIVES = [['dull', 'bad', 'poor', 'weak'], ['good', 'fine', 'great', 'clever']]


def make_review(rng):
    """Return a label and a review: the opinion of others, then that of the author."""
    theirs, label = rng.integers(0, 2, 2)
    they_negate, negated = (int(k == 0) for k in rng.integers(0, 4, 2))  # a quarter has a `not`
    own = 'not ' * negated + rng.choice(ADJECTIVES[label ^ negated])
    other = 'not ' * they_negate + rng.choice(ADJECTIVES[theirs])
    nouns = rng.choice(['film', 'plot', 'cast', 'end'], 2)
    return str(label), f'they said that the {nouns[0]} was {other} , but this {nouns[1]} is {own}'


def download(folder):
    """Fetch the IMDB reviews, and return their folder."""
    with urllib.request.urlopen(IMDB) as answer, tarfile.open(fileobj=answer, mode='r|gz') as tar:
        tar.extractall(folder, filter='data')
    return Path(folder) / 'aclImdb'


def read(path, part='train'):
    """Return (label, text) from a file of such lines, or from one part of the IMDB folder."""
    if path.is_dir():
        files = {label: sorted((path / part / label).glob('*.txt')) for label in ('neg', 'pos')}
        return [(label, p.read_text('utf-8')) for label, paths in files.items() for p in paths]
    lines = path.read_text('utf-8', errors='replace').splitlines()
    return [line.split(None, 1) for line in lines if len(line.split(None, 1)) == 2]


def load(paths, reviews, rng):
    """Return lists of (label, text), for training and for the test."""
    if not paths:
        generated = [make_review(rng) for _ in range(reviews)]
        return generated[reviews // 4 :], generated[: reviews // 4]
    if len(paths) == 2 or paths[0].is_dir():
        return read(paths[0]), read(paths[-1], 'test')
    if len(paths) > 2:
        sys.exit('expected one folder, one file, or one file for training and one for the test')
    examples = read(paths[0])
    order = rng.permutation(len(examples))
    test, train = np.split(order, [len(order) // 10])
    return [examples[k] for k in train], [examples[k] for k in test]


def split(text, maxlen):
    """Return the last tokens of a text, words and punctuation marks in lower case."""
    tokens = re.findall(r"[\w'-]+|[^\w\s]", text.lower().replace('<br />', ' '))
    return tokens[-maxlen:] or ['']


def main(
    data=(),
    *,
    reviews=3000,
    maxlen=100,
    min_count=2,
    embedding=100,
    size=128,
    dropout=0.5,
    bidirectional=False,
    batch_size=32,
    algo='adam',
    learning_rate=0.002,
    updates=2000,
    seed=1,
    plot='',
):
    """Train a network on labelled texts, test it on others, draw its errors.

    Returns
    -------
    results : dict
        ``'error'``, the error rate on the test data, and ``'constant'``, that of the most frequent
        label; the number of ``'updates'``; the ``'seconds'`` of training, compilation included, and
        the seconds of ``'processor'`` time.
    """
    rng = np.random.default_rng(seed)
    train, test = load([Path(path) for path in data], reviews, rng)
    labels = sorted({label for label, _ in train})
    texts = [split(text, maxlen) for _, text in train]
    vocabulary = Text([token for tokens in texts for token in tokens], min_count=min_count)
    x = [vocabulary.encode(tokens) for tokens in texts]
    y = np.array([labels.index(label) for label, _ in train])
    x_test = [vocabulary.encode(split(text, maxlen)) for _, text in test]
    y_test = np.array([labels.index(label) for label, _ in test])
    form = dict(form='bidirectional', worker='lstm') if bidirectional else dict(form='lstm')
    net = rnnkit.Classifier(
        [
            vocabulary.size,
            ('embedding', embedding),
            ('dropout', dropout),
            {**form, 'size': size},
            'last',
            ('dropout', dropout),
            len(labels),
        ],
        masked=True,
        seed=seed,
    )
    print(
        f'{len(x):,} texts for training, {len(x_test):,} for the test; {len(labels)} labels; '
        f'{vocabulary.size:,} tokens; {net.num_params:,} parameters'
    )

    batches = min(updates, -(-len(x) // batch_size))  # in one epoch
    epochs = updates // batches
    rate = rnnkit.schedules.Cosine(learning_rate, epochs * batches)
    start, start_cpu = time.perf_counter(), time.process_time()
    net.train(
        [x, y],
        [x_test, y_test],
        algo=algo,
        learning_rate=rate,
        batch_size=batch_size,
        bucket=True,
        train_batches=batches,
        epochs=epochs,
        validate_every=1,
        patience=epochs,
        restore_best=False,
    )
    # The test data select nothing: they are drawn as a curve, and the last epoch is reported.
    results = {
        'error': 1 - net.score(x_test, y_test),
        'constant': float(np.mean(y_test != np.bincount(y).argmax())),
        'updates': net.history[-1]['updates'],
        'seconds': time.perf_counter() - start,
        'processor': time.process_time() - start_cpu,
    }
    if plot:
        short = next((k for k, tokens in enumerate(x_test) if 8 <= len(tokens) <= 20), 0)
        tokens = split(test[short][1], maxlen)[:30]
        p = net.predict_proba([x_test[short][:n] for n in range(1, len(tokens) + 1)])
        draw(plot, net.history, results['constant'], tokens, p, labels, test[short][0])
    return results


def draw(path, history, constant, tokens, p, labels, label):
    """Draw the errors during training, and the probabilities after each token of a text."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("no picture: matplotlib is missing; run: pip install 'rnnkit[plot]'")
        return
    figure = Figure(figsize=(10, 3.8), layout='constrained')
    curve, after = figure.subplots(1, 2, width_ratios=(1, 1.4))
    for name, text in (('acc', 'training, with dropout'), ('valid_acc', 'test')):
        curve.plot(history['updates'], 1 - np.array(history[name]), '.-', label=text)
    curve.axhline(constant, color='0.4', ls='--', lw=1, label='most frequent label')
    curve.set(xlabel='updates', ylabel='error rate', ylim=(0, None))
    for name, probabilities in zip(labels, np.array(p).T, strict=True):
        after.plot(probabilities, '.-', label=f'{name} (correct)' if name == label else name)
    after.set_xticks(np.arange(len(tokens)), tokens, rotation=90)
    after.set(ylabel='probability', title='Labels of a test text, after each token')
    for axes in (curve, after):
        axes.legend(fontsize='small')
    figure.savefig(path, dpi=130)
    print(f'picture: {path}')


if __name__ == '__main__':
    parser = argparse.ArgumentParser(
        description='Train a network to classify texts, and report its error rate.',
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    option = parser.add_argument
    option('data', nargs='*', metavar='PATH', help='files of "label text" lines, or IMDB folder')
    option('--download', metavar='FOLDER', help='fetch the IMDB reviews into it, and use them')
    option('--reviews', type=int, metavar='N', help='number of generated reviews')
    option('--maxlen', type=int, metavar='T', help='read the last T tokens of a text')
    option('--min-count', type=int, metavar='N', help='rarer tokens are unknown')
    option('--embedding', type=int, metavar='E', help='size of the embedding')
    option('--size', type=int, metavar='H', help='LSTM units')
    option('--dropout', type=float, metavar='P', help='probability of dropout')
    option('--bidirectional', action='store_true', help='read texts in both directions')
    option('--batch-size', type=int, metavar='B', help='texts in a batch')
    option('--algo', choices=sorted(rnnkit.optimizers.registry), help='update rule')
    option('--learning-rate', type=float, metavar='RATE', help='initial rate; it falls to 0')
    option('--updates', type=int, metavar='N', help='maximum number, in whole epochs')
    option(
        '--tolerance',
        type=float,
        metavar='E',
        help='fail if the error rate is not below; None: half that of the most frequent label',
    )
    option('--seed', type=int, help='random seed of the initial weights and generated reviews')
    option('--plot', metavar='FILE', help='file for a picture')
    parser.set_defaults(**main.__kwdefaults__)
    options = vars(parser.parse_args())
    tolerance, folder = options.pop('tolerance'), options.pop('download')
    if folder:
        options['data'] = [download(folder)]
    results = main(**options)
    tolerance = tolerance or results['constant'] / 2
    print(
        f'{results["updates"]} updates in {results["seconds"]:.0f} s, '
        f'{results["processor"]:.0f} s of processor time'
    )
    print(
        f'error rate {100 * results["error"]:.1f} %; '
        f'the most frequent label has {100 * results["constant"]:.1f} %'
    )
    if not results['error'] < tolerance:
        sys.exit(f'FAILED: the error rate is not below {100 * tolerance:.1f} %')
