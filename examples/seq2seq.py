"""Read characters and write others: dates, sums, copies; sequence-to-sequence with attention.

Copy `make_network`, `encode` and `answer` for any task that reads one sequence and writes another:
translation, transcription, spelling.

A recurrent layer, the encoder, reads 'May 3rd, 87' in both directions. Its last hidden state is the
initial state of another one, the decoder, which writes '1987-05-03' and then a bar, the end of the
answer. At each step the decoder reads the previous character; the first one is a bar, too:

    encoder reads    M  a  y     3  r  d  ,     8  7
    decoder reads    |  1  9  8  7  -  0  5  -  0  3
    target           1  9  8  7  -  0  5  -  0  3  |

In training it reads the correct characters (teacher forcing), in `generate` those that it has
written, where several of the best answers so far go on side by side (beams). With attention, it
looks at all states of the encoder at each step, and learns where.

Tasks: 'dates' in words to ISO 8601, for days that are not training data; 'sums' such as 12+345;
'copies' of 10 to 40 random letters, forward after '>' and backward after '<'. An answer is correct
if all its characters are.

Sutskever, Vinyals & Le 2014, "Sequence to sequence learning with neural networks", NeurIPS 27.
Attention: Bahdanau, Cho & Bengio 2015, arXiv:1409.0473; Luong, Pham & Manning 2015,
arXiv:1508.04025.
"""

import datetime

import common
import numpy as np

import rnnkit
from rnnkit.recurrent import Text

BAR = '|'


def make_network(letters, size, attention, seed):
    """Return an encoder and a decoder that read and write letters of an alphabet."""
    look = dict(form='attention', size=size, memory='encoder', score=attention, name='attention')
    return rnnkit.Classifier(
        [
            letters.size,
            ('embedding', 16),
            dict(form='bidirectional', worker='lstm', size=size, name='encoder'),
            dict(form='input', size=letters.size, name='before'),
            ('embedding', 16),
            dict(form='lstm', size=size, h_0='encoder', c_0='encoder', name='decoder'),
            *[look] * (attention != 'none'),
            letters.size,
        ],
        masked=True,
        seed=seed,
    )


def encode(letters, pairs):
    """Return the inputs of the encoder and the decoder, and the targets, as three lists."""
    questions = [letters.encode(question) for question, _ in pairs]
    before = [letters.encode(BAR + answer) for _, answer in pairs]
    targets = [letters.encode(answer + BAR) for _, answer in pairs]
    return [questions, before, targets]


def main(
    *,
    task='dates',
    attention='additive',
    digits=2,
    examples=20_000,
    size=128,
    batch_size=64,
    learning_rate=0.005,
    updates=6000,
    goal=0.002,
    beam=4,
    seed=1,
):
    """Train an encoder and a decoder, and let them answer new questions."""
    rng = np.random.default_rng(seed)
    if task == 'dates':
        new, known = make_dates(examples, rng)
    elif task == 'sums':
        new, known = make_sums(digits, examples, rng)
    else:
        new, known = make_copies(examples, rng)
    letters = Text(''.join([BAR, *map(''.join, known)]), min_count=1)
    net = make_network(letters, size, attention, seed)
    batches = min(updates, 50)  # until the next validation
    epochs = updates // batches
    for _, valid in net.itertrain(
        encode(letters, known),
        encode(letters, new),
        algo='adam',
        batch_size=batch_size,
        train_batches=batches,
        epochs=epochs,
        learning_rate=rnnkit.schedules.Cosine(learning_rate, epochs * batches),
        validate_every=1,
        patience=epochs,
    ):
        loss = valid['loss']
        if loss < goal:
            break  # the best parameters are restored

    answers = answer(net, letters, new, beam)
    texts = [text for _, text in new]
    for (question, text), found in list(zip(new, answers, strict=True))[:8]:
        print(f'{question} -> {found}{"" if found == text else "  (wrong)"}')
    results = {
        'error': np.mean([a != b for a, b in zip(answers, texts, strict=True)]),
        'constant': 1 - max(map(texts.count, texts)) / len(texts),
        'loss': loss,
        'updates': net.history[-1]['updates'],
    }
    return results, (net, letters, new)


def answer(net, letters, pairs, beam):
    """Return the answers of a network to questions."""
    questions, before, _ = encode(letters, pairs)
    bar = letters.encode(BAR)[0]
    steps = max(map(len, before)) + 1
    labels = net.generate(questions, steps, start=bar, stop=bar, beam=beam)
    return [letters.decode(tokens).split(BAR)[0] for tokens in labels.T]


# --- dates

ONES = (
    'zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen '
    'sixteen seventeen eighteen nineteen'
).split()
TENS = 'twenty thirty forty fifty sixty seventy eighty ninety'.split()
ORDINALS = {
    **{'one': 'first', 'two': 'second', 'three': 'third', 'five': 'fifth', 'eight': 'eighth'},
    **{'nine': 'ninth', 'twelve': 'twelfth', 'twenty': 'twentieth', 'thirty': 'thirtieth'},
}
STYLES = (
    'the {ordinal} of {month} {year}',
    '{weekday}, the {ordinal} of {month} {year}',
    '{day} {month} {year}',
    '{day}{th} {month} {year}',
    '{day}{th} of {month} {year}',
    'the {day}{th} of {month} {year}',
    '{month} {day}, {year}',
    '{month} {day}{th}, {year}',
    '{weekday}, {day} {month} {year}',
    '{weekday} {month} {day}{th} {year}',
    "{day} {month} '{short}",
    '{day} {month} {short}',
    '{month} {day}, {short}',
    '{weekday} {day}-{month}-{short}',
    '{month} the {ordinal}, {words}',
    'the {ordinal} of {month}, {words}',
)


def in_words(n):
    """Return a number below 100 in words."""
    if n < 20:
        return ONES[n]
    return TENS[n // 10 - 2] + (f'-{ONES[n % 10]}' if n % 10 else '')


def year_in_words(year):
    """Return a year between 1950 and 2049 as it is spoken."""
    century, rest = divmod(year, 100)
    if rest == 0:
        return 'nineteen hundred' if century == 19 else 'two thousand'
    if century == 20 and rest < 10:
        return f'two thousand and {ONES[rest]}'
    return f'{in_words(century)} {in_words(rest)}'


def spoken(date, rng):
    """Return a date in words, in one of many styles."""
    month, weekday = f'{date:%B}', f'{date:%A}'
    first, dash, last = in_words(date.day).rpartition('-')
    th = {1: 'st', 2: 'nd', 3: 'rd'}.get(date.day % 10, 'th')
    parts = {
        'day': date.day,
        'th': 'th' if 10 < date.day < 14 else th,
        'ordinal': first + dash + ORDINALS.get(last, f'{last}th'),
        'month': month if rng.random() < 0.6 else month[:3],
        'weekday': weekday if rng.random() < 0.5 else weekday[:3],
        'year': date.year,
        'short': f'{date.year % 100:02d}',  # of the hundred years that there are
        'words': year_in_words(date.year),
    }
    text = STYLES[rng.integers(len(STYLES))].format(**parts)
    return text if rng.random() < 0.7 else text.lower()


def make_dates(examples, rng):
    """Return questions and answers for days from 1950 to 2049; a tenth of the days is new."""
    first = datetime.date(1950, 1, 1).toordinal()
    days = rng.permutation(np.arange(first, datetime.date(2050, 1, 1).toordinal()))
    new, known = np.split(days, [len(days) // 10])

    def pairs(days):
        dates = [datetime.date.fromordinal(int(day)) for day in days]
        return [(spoken(date, rng), date.isoformat()) for date in dates]

    return pairs(rng.permutation(new)[:1000]), pairs(rng.choice(known, examples))


# --- other tasks


def make_sums(digits, examples, rng):
    """Return sums: a tenth of the pairs of numbers is new, the others come in both orders."""
    top = 10**digits
    if top * (top + 1) // 2 <= examples:  # few enough to list all
        pairs = np.transpose(np.triu_indices(top))
    else:
        pairs = np.unique(np.sort(rng.integers(0, top, (examples, 2))), axis=0)
    new, known = np.split(rng.permutation(pairs), [len(pairs) // 10])
    known = np.unique(np.concatenate([known, known[:, ::-1]]), axis=0)
    return [[(f'{a}+{b}', f'{a + b}') for a, b in some] for some in (new, known)]


def make_copies(examples, rng, shortest=10, longest=40):
    """Return random letters, and the same in the same or in the reverse order."""

    def pairs(n):
        lengths = rng.integers(shortest, longest + 1, n)
        texts = [''.join(rng.choice(list('abcdefgh'), k)) for k in lengths]
        signs = rng.choice(['>', '<'], n)
        return [(s + t, t if s == '>' else t[::-1]) for s, t in zip(signs, texts, strict=True)]

    return pairs(500), pairs(examples)


def draw(figure, net, letters, pairs):
    """Draw the error during training, and what the decoder looks at when it writes each letter."""
    figure.set_size_inches(8, 6.4)
    axes = figure.subplot_mosaic([['training', 'short'], ['long', 'long']], width_ratios=(1, 1.3))
    common.training(axes['training'], net.history, error='cross-entropy per character (nats)')
    # The longest question, and one of the shorter ones.
    ordered = sorted(pairs, key=lambda pair: len(pair[0]))
    chosen = [ordered[-1], ordered[len(ordered) // 4]]
    outputs = net.feed_forward(encode(letters, chosen)[:2])
    weights = outputs.get('attention:weights')  # (T, B, S)
    for k, (name, (question, text)) in enumerate(zip(('long', 'short'), chosen, strict=True)):
        if weights is None:
            axes[name].set_axis_off()
            continue
        seen = weights[: len(text) + 1, k, : len(question)]
        image = axes[name].imshow(seen, cmap='Blues', vmin=0, vmax=1, aspect='auto')
        axes[name].set_xticks(range(len(question)), question, fontsize='small')
        axes[name].set_yticks(range(len(text) + 1), text + BAR, fontsize='small')
        axes[name].set(xlabel='read by the encoder', ylabel='written by the decoder')
    if weights is not None:
        axes['short'].set_title('What the decoder looks at')
        figure.colorbar(image, ax=list(axes.values()), label='attention weight', aspect=40)


if __name__ == '__main__':
    common.run(
        main,
        draw,
        report=(
            '{error:.1%} of the answers to new questions are wrong; '
            'the best constant answer has {constant:.1%}'
        ),
        tolerance=0.02,
        task=dict(choices=('dates', 'sums', 'copies'), help='what to read and write'),
        attention=dict(
            choices=('additive', 'general', 'dot', 'none'),
            help='how the decoder looks at the encoder',
        ),
        digits='sums: maximum number of digits',
        examples='number of questions; sums: at most so many',
        size='LSTM units of the encoder, and of the decoder',
        learning_rate='initial rate; it falls to 0',
        goal='stop training at this cross-entropy',
        beam='answers that go on side by side',
    )
