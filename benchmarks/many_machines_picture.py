"""Draw docs/images/ranks.png: what `python benchmarks/many_machines.py` has measured.

Two cores of an AMD EPYC (Zen 5, with AVX-512): an update of an LSTM by one process with two
threads and by two processes with one thread each, and the exchange of gradients alone.
"""

from pathlib import Path

from matplotlib.figure import Figure

UPDATES = {  # milliseconds: one process, two processes
    'small\nT 20, B 32\n32 units': (0.136, 0.141),
    'medium\nT 50, B 64\n64 units': (2.02, 2.26),
    'large\nT 100, B 64\n128 units': (15.6, 16.3),
}
EXCHANGE = {0.1: 0.02, 1: 0.12, 10: 1.4}  # megabytes: milliseconds
PATH = Path(__file__).resolve().parents[1] / 'docs' / 'images' / 'ranks.png'


def draw(path: Path = PATH) -> None:
    """Write the picture."""
    figure = Figure(figsize=(9, 3.6), layout='constrained')
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    for at, times in enumerate(UPDATES.values()):
        for k, (ms, color) in enumerate(zip(times, ('C0', 'C1'), strict=True)):
            bar = left.bar(at + 0.36 * (k - 0.5), ms, 0.34, color=color)
            left.bar_label(bar, [f'{ms:g}'], fontsize='small')
    left.set(yscale='log', ylim=(0.05, 60), ylabel='milliseconds of an update')
    left.set_xticks(range(len(UPDATES)), UPDATES)
    left.set_title('Two cores of one machine', fontsize='medium')
    figure.legend(
        left.patches[:2],
        ['one process, two threads', 'two processes, one thread each'],
        loc='outside lower left',
        ncols=2,
        fontsize='small',
    )
    right.loglog(EXCHANGE.keys(), EXCHANGE.values(), 'o-', color='C2')
    right.set(xlabel='gradient, MB (millions of bytes)', ylabel='milliseconds')
    right.set_title('The exchange alone, on this machine', fontsize='medium')
    right.grid(alpha=0.3)
    figure.savefig(path, dpi=120)


if __name__ == '__main__':
    draw()
