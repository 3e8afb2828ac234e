"""Classify texts: whether a review is positive, or what a question asks for.

Copy this to classify sequences of words: lists of different lengths, a vocabulary, an embedding,
batches of similar length (`bucket`).

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

import re
import statistics
import sys
import tarfile
import urllib.request
from pathlib import Path

import common
import numpy as np

import rnnkit
from rnnkit.recurrent import Text


def main(
    data=(),
    *,
    download=None,
    reviews=3000,
    maxlen=100,
    embedding=100,
    size=128,
    dropout=0.5,
    batch_size=32,
    learning_rate=0.002,
    updates=2000,
    seed=1,
):
    """Train a network on labelled texts, and test it on others."""
    rng = np.random.default_rng(seed)
    paths = [fetch(download)] if download else [Path(path) for path in data]
    train, test = load(paths, reviews, rng)
    texts, texts_test = ([split(text, maxlen) for _, text in part] for part in (train, test))
    y, y_test = (np.array([label for label, _ in part]) for part in (train, test))
    vocabulary = Text([token for tokens in texts for token in tokens], min_count=2)
    x, x_test = ([vocabulary.encode(tokens) for tokens in part] for part in (texts, texts_test))
    net = rnnkit.Classifier(
        [
            vocabulary.size,
            ('embedding', embedding),
            ('dropout', dropout),
            ('lstm', size),
            'last',
            ('dropout', dropout),
            len(set(y)),
        ],
        masked=True,
        seed=seed,
    )
    print(
        f'{len(x):,} texts for training, {len(x_test):,} for the test; {len(set(y))} labels; '
        f'{vocabulary.size:,} tokens; {net.num_params:,} parameters'
    )

    batches = min(updates, -(-len(x) // batch_size))  # in one epoch
    epochs = updates // batches
    net.train(
        [x, y],
        [x_test, y_test],  # they select nothing: they are drawn, and the last epoch is reported
        algo='adam',
        learning_rate=rnnkit.schedules.Cosine(learning_rate, epochs * batches),
        batch_size=batch_size,
        bucket=True,
        train_batches=batches,
        epochs=epochs,
        validate_every=1,
        patience=epochs,
        restore_best=False,
    )
    constant = np.mean(y_test != statistics.mode(y))
    results = {
        'error': 1 - net.score(x_test, y_test),
        'constant': constant,
        'tolerance': constant / 2,
        'updates': net.history[-1]['updates'],
    }
    short = next((k for k, tokens in enumerate(x_test) if 8 <= len(tokens) <= 20), 0)
    tokens = texts_test[short][:30]
    p = net.predict_proba([x_test[short][:n] for n in range(1, len(tokens) + 1)])
    return results, (net.history, constant, tokens, p, net.classes_, y_test[short])


IMDB = 'https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz'
ADJECTIVES = [['dull', 'bad', 'poor', 'weak'], ['good', 'fine', 'great', 'clever']]


def make_review(rng):
    """Return a label and a review: the opinion of others, then that of the author."""
    theirs, label = rng.integers(0, 2, 2)
    they_negate, negated = (int(k == 0) for k in rng.integers(0, 4, 2))  # a quarter has a `not`
    own = 'not ' * negated + rng.choice(ADJECTIVES[label ^ negated])
    other = 'not ' * they_negate + rng.choice(ADJECTIVES[theirs])
    nouns = rng.choice(['film', 'plot', 'cast', 'end'], 2)
    review = f'they said that the {nouns[0]} was {other} , but this {nouns[1]} is {own}'
    return ('negative', 'positive')[label], review


def fetch(folder):
    """Download the IMDB reviews, and return their folder."""
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


def draw(figure, history, constant, tokens, p, labels, label):
    """Draw the errors during training, and the probabilities after each token of a text."""
    figure.set_size_inches(8, 4.6)
    curve, after = figure.subplots(1, 2, width_ratios=(1, 1.4))
    for name, data in (('acc', 'training, with dropout'), ('valid_acc', 'test')):
        curve.plot(history['updates'], 1 - np.array(history[name]), '.-', label=data)
    curve.axhline(constant, color='0.3', ls='--', lw=1, label='most frequent label')
    curve.set(xlabel='updates', ylabel='error rate', ylim=(0, None), title='During training')
    common.legend(curve, 1)
    for name, probabilities in zip(labels, np.array(p).T, strict=True):
        after.plot(probabilities, '.-', label=f'{name} (correct)' if name == label else name)
    after.set_xticks(np.arange(len(tokens)), tokens, rotation=90)
    after.set(xlabel='read so far', ylabel='probability', title='Labels of a test text')
    common.legend(after, 3)


if __name__ == '__main__':
    common.run(
        main,
        draw,
        report='error rate {error:.1%}; the most frequent label has {constant:.1%}',
        tolerance=None,
        data=dict(nargs='*', help='files of "label text" lines, or the folder of IMDB'),
        download='fetch the IMDB reviews into this folder, and use them',
        reviews='number of generated reviews',
        maxlen='read so many tokens at the end of a text',
        embedding='size of the embedding',
        dropout='probability of dropout',
        learning_rate='initial rate; it falls to 0',
        updates='maximum number, in whole epochs',
    )
