"""Tell what a sentence is: whether a review is a good one, or what a question asks for.

A recurrent network reads the words of a text. Each word is a row of a table, the embedding, which
is learned from nothing with the rest. What the LSTM has in mind after the last word decides:

    the  film  is  not  as  bad  as  they  say    ->  1, a good review

Texts come from files with a label and a text in each line, for training and for the test:

    python sentiment.py TREC.train.all TREC.test.all

or from the folder of the IMDB reviews (Maas et al. 2011; 50,000 of them, half for the test), which
`--download FOLDER` fetches. Without anything, the program makes up reviews itself. In these the
last judgement counts, and whether there is a `not` before it: the order of the words.
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
JUDGED = [['dull', 'bad', 'poor', 'weak'], ['good', 'fine', 'great', 'clever']]


def make_review(rng):
    """Return a label and a review: what others think, then what the author thinks."""
    said, label = rng.integers(0, 2, 2)
    other, negated = (int(k == 0) for k in rng.integers(0, 4, 2))  # a quarter has a `not`
    own = 'not ' * negated + rng.choice(JUDGED[label ^ negated])
    other = 'not ' * other + rng.choice(JUDGED[said])
    things = rng.choice(['film', 'plot', 'cast', 'end'], 2)
    return str(label), f'they said that the {things[0]} was {other} , but this {things[1]} is {own}'


def download(folder):
    """Fetch the IMDB reviews, and return their folder."""
    with urllib.request.urlopen(IMDB) as answer, tarfile.open(fileobj=answer, mode='r|gz') as tar:
        tar.extractall(folder, filter='data')
    return Path(folder) / 'aclImdb'


def read(path, part='train'):
    """Return (label, text) from a file of such lines, or from one part of the IMDB folder."""
    if path.is_dir():
        files = {label: sorted((path / part / label).glob('*.txt')) for label in ('neg', 'pos')}
        return [(k, one.read_text('utf-8')) for k, found in files.items() for one in found]
    lines = path.read_text('utf-8', errors='replace').splitlines()
    return [line.split(None, 1) for line in lines if len(line.split(None, 1)) == 2]


def load(paths, reviews, rng):
    """Return lists of (label, text), to learn from and for the test."""
    if not paths:
        made = [make_review(rng) for _ in range(reviews)]
        return made[reviews // 4 :], made[: reviews // 4]
    if len(paths) == 2 or paths[0].is_dir():
        return read(paths[0]), read(paths[-1], 'test')
    if len(paths) > 2:
        sys.exit('give one folder, one file, or a file to learn from and one for the test')
    examples = read(paths[0])
    order = rng.permutation(len(examples))
    test, train = np.split(order, [len(order) // 10])
    return [examples[k] for k in train], [examples[k] for k in test]


def split(text, maxlen):
    """Return the last words of a text, in small letters; marks are words, too."""
    words = re.findall(r"[\w'-]+|[^\w\s]", text.lower().replace('<br />', ' '))
    return words[-maxlen:] or ['']


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
    """Train a network on labelled texts, test it on others, draw how it learned.

    Returns
    -------
    found : dict
        ``'error'``, the share of texts for the test that get a wrong label, and that of the most
        frequent label, ``'constant'``, beside it; the number of ``'updates'``; the ``'seconds'`` of
        training, with those to compile, and the seconds of ``'processor'`` time.
    """
    rng = np.random.default_rng(seed)
    train, test = load([Path(path) for path in data], reviews, rng)
    labels = sorted({label for label, _ in train})
    words = [split(text, maxlen) for _, text in train]
    known = Text([word for one in words for word in one], min_count=min_count)
    x, y = [known.encode(one) for one in words], np.array([labels.index(k) for k, _ in train])
    x_test = [known.encode(split(text, maxlen)) for _, text in test]
    y_test = np.array([labels.index(label) for label, _ in test])
    form = dict(form='bidirectional', worker='lstm') if bidirectional else dict(form='lstm')
    net = rnnkit.Classifier(
        [
            known.size,
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
        f'{len(x):,} texts to learn from, {len(x_test):,} for the test; {len(labels)} labels; '
        f'{known.size:,} words; {net.num_params:,} parameters'
    )

    in_epoch = min(updates, -(-len(x) // batch_size))
    epochs = updates // in_epoch
    rate = rnnkit.schedules.Cosine(learning_rate, epochs * in_epoch)
    start, used = time.perf_counter(), time.process_time()
    net.train(
        [x, y],
        [x_test, y_test],
        algo=algo,
        learning_rate=rate,
        batch_size=batch_size,
        bucket=True,
        train_batches=in_epoch,
        epochs=epochs,
        validate_every=1,
        patience=epochs,
        restore_best=False,
    )
    # The test has chosen nothing: it is drawn as a curve, and what counts is the last epoch.
    found = {
        'error': 1 - net.score(x_test, y_test),
        'constant': float(np.mean(y_test != np.bincount(y).argmax())),
        'updates': net.history[-1]['updates'],
        'seconds': time.perf_counter() - start,
        'processor': time.process_time() - used,
    }
    if plot:
        short = next((k for k, one in enumerate(x_test) if 8 <= len(one) <= 20), 0)
        shown = split(test[short][1], maxlen)[:30]
        p = net.predict_proba([x_test[short][:n] for n in range(1, len(shown) + 1)])
        draw(plot, net.history, found, shown, p, labels, test[short][0])
    return found


def draw(path, history, found, words, p, labels, label):
    """Draw the errors while learning, and what the network thinks after each word of a text."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("no picture: matplotlib is missing; pip install 'rnnkit[plot]' brings it")
        return
    figure = Figure(figsize=(10, 3.8), layout='constrained')
    curve, after = figure.subplots(1, 2, width_ratios=(1, 1.4))
    for name, text in (('acc', 'training, with dropout'), ('valid_acc', 'test')):
        curve.plot(history['updates'], 1 - np.array(history[name]), '.-', label=text)
    curve.axhline(found['constant'], color='0.4', ls='--', lw=1, label='most frequent label')
    curve.set(xlabel='updates', ylabel='share of wrong labels', ylim=(0, None))
    for name, one in zip(labels, np.array(p).T, strict=True):
        after.plot(one, '.-', label=f'{name} (right)' if name == label else name)
    after.set_xticks(np.arange(len(words)), words, rotation=90)
    after.set(ylabel='probability', title='A text of the test, after each of its words')
    for axes in (curve, after):
        axes.legend(fontsize='small')
    figure.savefig(path, dpi=130)
    print(f'picture: {path}')


if __name__ == '__main__':
    parser = argparse.ArgumentParser(
        description='Learn from labelled texts to label others, and tell how well it is done.',
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    option = parser.add_argument
    option('data', nargs='*', metavar='PATH', help='files of "label text" lines, or IMDB folder')
    option('--download', metavar='FOLDER', help='fetch the IMDB reviews to this place, use them')
    option('--reviews', type=int, metavar='N', help='how many to make up')
    option('--maxlen', type=int, metavar='T', help='read so many words, the last ones of a text')
    option('--min-count', type=int, metavar='N', help='words that are rarer are unknown ones')
    option('--embedding', type=int, metavar='E', help='numbers for each word')
    option('--size', type=int, metavar='H', help='LSTM units')
    option('--dropout', type=float, metavar='P', help='share of numbers that are left out')
    option('--bidirectional', action='store_true', help='read texts from both of their ends')
    option('--batch-size', type=int, metavar='B', help='texts in a batch')
    option('--algo', choices=sorted(rnnkit.optimizers.registry), help='update rule')
    option('--learning-rate', type=float, metavar='RATE', help='at first; it falls to 0')
    option('--updates', type=int, metavar='N', help='how long to train, in whole epochs')
    option(
        '--tolerance',
        type=float,
        metavar='E',
        help='fail if more are wrong; half of what the most frequent label gets',
    )
    option('--seed', type=int, help='drives initial weights and the reviews that are made up')
    option('--plot', metavar='FILE', help='where a picture goes, if one is wanted')
    parser.set_defaults(**main.__kwdefaults__)
    given = vars(parser.parse_args())
    tolerance, folder = given.pop('tolerance'), given.pop('download')
    if folder:
        given['data'] = [download(folder)]
    found = main(**given)
    print(
        f'{found["updates"]} updates in {found["seconds"]:.0f} s, '
        f'{found["processor"]:.0f} s of processor time'
    )
    print(
        f'{100 * found["error"]:.1f} % of the labels are wrong; '
        f'with the most frequent one {100 * found["constant"]:.1f} %'
    )
    if not found['error'] < (tolerance or found['constant'] / 2):
        sys.exit(f'FAILED: not less than {100 * (tolerance or found["constant"] / 2):.1f} %')
