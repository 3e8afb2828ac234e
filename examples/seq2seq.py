"""Read characters and write others: dates, sums, copies; sequence-to-sequence with attention.

A recurrent layer, the encoder, reads 'May 3rd, 87' in both directions. Its last hidden state is the
initial state of another one, the decoder, which writes '1987-05-03' and then a bar, the end of the
answer. At each step the decoder reads the previous character; the first one is a bar, too:

    encoder reads    M  a  y     3  r  d  ,     8  7
    decoder reads    |  1  9  8  7  -  0  5  -  0  3
    target           1  9  8  7  -  0  5  -  0  3  |

In training, the decoder reads the correct characters, whatever it would have written (teacher
forcing). In `generate` it reads its own output, and several of the best answers so far go on side
by side (beams). Questions and answers have different lengths, so data are lists of sequences, and
the network is `masked`.

The state between encoder and decoder has one size, however long the question is. With attention,
the decoder looks at all states of the encoder at each step, and learns where. The picture shows it.

Tasks: 'dates' in words to ISO 8601, for days that are not training data; 'sums' such as 12+345;
'copies' of 10 to 40 random letters, forward after '>' and backward after '<'. An answer is correct
if all its characters are.

Sutskever, Vinyals & Le 2014, "Sequence to sequence learning with neural networks", NeurIPS 27.
Bahdanau, Cho & Bengio 2015, arXiv:1409.0473, and Luong, Pham & Manning 2015, arXiv:1508.04025, for
attention.
"""

import argparse
import datetime
import sys
import time

import numpy as np

import rnnkit
from rnnkit.recurrent import Text

BAR = '|'
ATTENTIONS = ('additive', 'general', 'dot', 'none')

# --- dates

MONTHS = ['January', 'February', 'March', 'April', 'May', 'June', 'July', 'August', 'September', 'October', 'November', 'December']
DAYS = ['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday']
ONES = ['zero', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine', 'ten', 'eleven', 'twelve', 'thirteen', 'fourteen', 'fifteen', 'sixteen', 'seventeen', 'eighteen', 'nineteen']
TENS = ['twenty', 'thirty', 'forty', 'fifty', 'sixty', 'seventy', 'eighty', 'ninety']
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
    month, weekday = MONTHS[date.month - 1], DAYS[date.weekday()]
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


def make_copies(shortest, longest, examples, rng):
    """Return random letters, and the same in the same or in the reverse order."""

    def pairs(n):
        lengths = rng.integers(shortest, longest + 1, n)
        texts = [''.join(rng.choice(list('abcdefgh'), k)) for k in lengths]
        signs = rng.choice(['>', '<'], n)
        return [(s + t, t if s == '>' else t[::-1]) for s, t in zip(signs, texts, strict=True)]

    return pairs(500), pairs(examples)


# --- network


def make_network(letters, embedding, size, attention, seed):
    """Return an encoder and a decoder that read and write letters of an alphabet."""
    look = dict(form='attention', size=size, memory='encoder', score=attention, name='attention')
    return rnnkit.Classifier(
        [
            letters.size,
            ('embedding', embedding),
            dict(form='bidirectional', worker='lstm', size=size, name='encoder'),
            dict(form='input', size=letters.size, name='before'),
            ('embedding', embedding),
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
    shortest=10,
    longest=40,
    examples=20_000,
    embedding=16,
    size=128,
    batch_size=64,
    algo='adam',
    learning_rate=0.005,
    updates=6000,
    goal=0.002,
    beam=4,
    seed=1,
    plot='',
):
    """Train an encoder and a decoder, let them answer new questions, draw what they look at.

    Returns
    -------
    results : dict
        ``'error'``, the share of answers with a wrong character, and that of the best
        ``'constant'`` answer; the ``'loss'``, the cross-entropy per character; the number of
        ``'updates'``; the ``'seconds'`` of training, compilation included, and the seconds of
        ``'processor'`` time.
    """
    rng = np.random.default_rng(seed)
    make = {
        'dates': lambda: make_dates(examples, rng),
        'sums': lambda: make_sums(digits, examples, rng),
        'copies': lambda: make_copies(shortest, longest, examples, rng),
    }
    new, known = make[task]()
    letters = Text(''.join([BAR, *map(''.join, known)]), min_count=1)
    net = make_network(letters, embedding, size, attention, seed)
    start, start_cpu = time.perf_counter(), time.process_time()
    batches = min(updates, 50)  # until the next validation
    epochs = updates // batches
    options = {
        'algo': algo,
        'batch_size': batch_size,
        'train_batches': batches,
        'epochs': epochs,
        'learning_rate': rnnkit.schedules.Cosine(learning_rate, epochs * batches),
        'validate_every': 1,
        'patience': epochs,
    }
    for _, valid in net.itertrain(encode(letters, known), encode(letters, new), **options):
        loss = valid['loss']
        if loss < goal:
            break  # the best parameters are restored
    seconds, processor = time.perf_counter() - start, time.process_time() - start_cpu
    answers = answer(net, letters, new, beam)
    texts = [text for _, text in new]
    for (question, text), found in list(zip(new, answers, strict=True))[:8]:
        print(f'{question} -> {found}{"" if found == text else "  (wrong)"}')
    if plot:
        draw(plot, net, letters, new)
    return {
        'error': float(np.mean([a != b for a, b in zip(answers, texts, strict=True)])),
        'constant': 1 - max(map(texts.count, texts)) / len(texts),
        'loss': loss,
        'updates': net.history[-1]['updates'],
        'seconds': seconds,
        'processor': processor,
    }


def answer(net, letters, pairs, beam):
    """Return the answers of a network to questions."""
    questions, before, _ = encode(letters, pairs)
    bar = letters.encode(BAR)[0]
    steps = max(map(len, before)) + 1
    labels = net.generate(questions, steps, start=bar, stop=bar, beam=beam)
    return [letters.decode(tokens).split(BAR)[0] for tokens in labels.T]


def draw(path, net, letters, pairs):
    """Draw the error during training, and what the decoder looks at when it writes each letter."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("no picture: matplotlib is missing; run: pip install 'rnnkit[plot]'")
        return
    figure = Figure(figsize=(11, 3.8), layout='constrained')
    curve, *pictures = figure.subplots(1, 3)
    for name, label in (('loss', 'training'), ('valid_loss', 'validation')):
        points = [(r['updates'], r[name]) for r in net.history if r.get(name) is not None]
        curve.semilogy(*zip(*points, strict=True), label=label)
    curve.set(xlabel='updates', ylabel='cross-entropy per character', title='During training')
    curve.legend(fontsize='small')
    # The longest question, and one of the shorter ones.
    ordered = sorted(pairs, key=lambda pair: len(pair[0]))
    chosen = [ordered[-1], ordered[len(ordered) // 4]]
    outputs = net.feed_forward(encode(letters, chosen)[:2])
    weights = outputs.get('attention:weights')  # (T, B, S)
    for k, (picture, (question, text)) in enumerate(zip(pictures, chosen, strict=True)):
        if weights is None:
            picture.set_axis_off()
            continue
        seen = weights[: len(text) + 1, k, : len(question)]
        picture.imshow(seen, cmap='Blues', vmin=0, vmax=1, aspect='auto')
        picture.set_xticks(range(len(question)), question, fontsize='small')
        picture.set_yticks(range(len(text) + 1), text + BAR, fontsize='small')
        picture.set(xlabel='read by the encoder', ylabel='written', title='Attention')
    figure.savefig(path, dpi=130)
    print(f'picture: {path}')


if __name__ == '__main__':
    parser = argparse.ArgumentParser(
        description='Train an encoder and a decoder to answer questions made of characters.',
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    option = parser.add_argument
    option('--task', choices=('dates', 'sums', 'copies'), help='what to read and write')
    option('--attention', choices=ATTENTIONS, help='how the decoder looks at the encoder')
    option('--digits', type=int, metavar='D', help='sums: maximum number of digits')
    option('--shortest', type=int, metavar='N', help='copies: minimum number of letters')
    option('--longest', type=int, metavar='N', help='copies: maximum number of letters')
    option('--examples', type=int, metavar='N', help='number of questions; sums: at most so many')
    option('--embedding', type=int, metavar='E', help='size of the embedding')
    option('--size', type=int, metavar='H', help='LSTM units of the encoder, and of the decoder')
    option('--batch-size', type=int, metavar='B', help='questions in a batch')
    option('--algo', choices=sorted(rnnkit.optimizers.registry), help='update rule')
    option('--learning-rate', type=float, metavar='RATE', help='initial rate; it falls to 0')
    option('--updates', type=int, metavar='N', help='maximum number of updates')
    option('--goal', type=float, metavar='XE', help='stop training at this cross-entropy')
    option('--beam', type=int, metavar='N', help='answers that go on side by side')
    option('--tolerance', type=float, metavar='E', help='fail if more answers are wrong')
    option('--seed', type=int, help='random seed of the initial weights and the data')
    option('--plot', metavar='FILE', help='file for a picture')
    parser.set_defaults(**main.__kwdefaults__, tolerance=0.02)
    options = vars(parser.parse_args())
    tolerance = options.pop('tolerance')
    results = main(**options)
    print(
        f'{results["updates"]} updates in {results["seconds"]:.0f} s, '
        f'{results["processor"]:.0f} s of processor time'
    )
    print(
        f'{100 * results["error"]:.1f} % of the answers to new questions are wrong; '
        f'the best constant answer has {100 * results["constant"]:.1f} %'
    )
    if not results['error'] < tolerance:
        sys.exit(f'FAILED: the share is not below {100 * tolerance:g} %')
