"""Train a language model of characters or words, evaluate it, and generate text.

Copy this to train on a long text (or any long sequence of symbols) window by window, with the
hidden state carried, and to generate more of it.

A recurrent network reads a text. After each token, a character or a word, it predicts the
probabilities of the next one. 95 % of the text are training data, the rest validation data:

    read        w   h   e   n       t   h   e       k   i   n
    next        h   e   n       t   h   e       k   i   n   g

`bits` is the mean of -log2 p of the real next token: the size of the text if the network compresses
it. 2 to that power is the `perplexity`. The frequencies of English characters give 4 to 5 bits.

The text is cut into streams, which are the examples of a batch. They are read window by window, and
each window starts from the last hidden state of the one before (`carry_state`). Without a file, the
text is made of random sentences, for which the smallest possible number of bits is known.
"""

from pathlib import Path

import common
import numpy as np

import rnnkit
from rnnkit.recurrent import Text, fold


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
    learning_rate=0.003,
    updates=6300,
    goal=0.5,
    write=400,
    temperature=0.8,
    seed=1,
):
    """Train a network on a text, validate it on the last 5 %, and generate text."""
    text, validation, least = read(file, level, sentences, np.random.default_rng(seed))
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
    for _, validated in net.itertrain(
        train,
        valid,
        algo='adam',
        learning_rate=lambda n: learning_rate * max(0.01, 1 - n / total),
        carry_state=True,
        bptt_steps=steps,
        train_batches=min(updates, windows),
        epochs=epochs,
        validate_every=1,
        patience=epochs,
    ):
        if validated['loss'] / np.log(2) < goal:  # losses are in nats
            break

    p = net.predict_proba(valid[0])
    prompt = validation[:20]
    generated = net.generate(prompt, write, temperature=temperature, rng=seed)[:, 0]
    print(f'--- generated: {text.decode(prompt)}|{text.decode(generated)}\n---')
    counts = np.bincount(text.numbers, minlength=V) + 1.0
    chance = np.log2(counts.sum() / counts[valid[1]]).mean()
    results = {
        'error': rnnkit.metrics.bits(valid[1], p),
        'chance': chance,
        'perplexity': rnnkit.metrics.perplexity(valid[1], p),
        'tolerance': 2.3 if level == 'character' else chance,
        'updates': net.history[-1]['updates'],
    }
    tokens = valid[1][:60, 0]
    bits = -np.log2(p[np.arange(len(tokens)), 0, tokens])
    names = [text.decode([n]).replace(' ', '␣').replace('\n', '⏎') for n in tokens]
    return results, (level, names, bits, net.history, chance, least)


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


def draw(figure, level, tokens, bits, history, chance, least):
    """Draw the bits during training, and those of the first tokens of the validation data."""
    figure.set_size_inches(8, 6)
    curve, bars = figure.subplots(2, 1)
    levels = {'frequencies_alone': chance} | ({'smallest_possible': least} if least else {})
    common.training(curve, history, error=f'bits per {level}', scale=1 / np.log(2), **levels)
    curve.set(yscale='linear', ylim=(0, None))
    common.legend(curve)
    bars.bar(np.arange(len(bits)), bits, color='tab:orange')
    bars.set_xticks(np.arange(len(bits)), tokens, rotation=90 * (level == 'word'))
    bars.set(xlabel='start of the validation data', ylabel=f'bits of each {level}')
    bars.set(xlim=(-1, len(bits)), title=f'How much each {level} surprises the network')


if __name__ == '__main__':
    common.run(
        main,
        draw,
        report=(
            '{error:.3f} bits per {level}, perplexity {perplexity:.2f}; '
            'frequencies alone give {chance:.2f} bits'
        ),
        tolerance=None,
        file=dict(nargs='?', help='a text; without one, random sentences'),
        sentences='number of random sentences',
        level=dict(choices=('character', 'word'), help='what a token is'),
        embedding='size of the embedding',
        size='LSTM units in a layer',
        layers='number of LSTM layers',
        dropout='probability of dropout after each LSTM',
        batch_size='number of streams',
        steps='length of a window',
        learning_rate='initial rate; it falls to almost 0',
        goal='stop training at so many bits',
        write='number of tokens to generate',
        temperature='temperature of sampling',
    )
