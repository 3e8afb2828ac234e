"""What rnnkit is to reach beside its peers, and whether it does.

`python benchmarks/run.py --goals` measures it. A goal is a ratio to a peer that is not to be
exceeded, or a share of the machine's peak that is to be reached.
"""

from dataclasses import dataclass, field

import report
from workloads import WORKLOADS

PEERS = ['torch', 'jax', 'onnxruntime']


@dataclass(frozen=True)
class Goal:
    """Limits of some workloads.

    Attributes
    ----------
    what : {'train', 'predict', 'step'}
    names : list of str
        Workloads.
    limits : dict
        Highest ratio to each peer.
    share : float
        Lowest share of the peak of as many cores as the fastest run had threads; 0 for none.
    """

    what: str
    names: list[str]
    limits: dict[str, float] = field(default_factory=dict)
    share: float = 0.0


def every(*sizes: str, cells: tuple[str, ...] = ('lstm', 'gru', 'rnn')) -> list[str]:
    """Return the names of workloads of some sizes and cells."""
    return [f'{cell} {size}' for size in sizes for cell in cells]


SHAPES = ['lstm long', 'lstm deep', 'lstm bidirectional', 'lstm batch of 1']
QUICK = {'torch': 0.8, 'onnxruntime': 0.9}  # for predictions
GOALS = [
    Goal('train', ['lstm small'], {'torch': 0.12}),
    Goal('train', ['gru small'], {'torch': 0.06}),
    Goal('train', ['rnn small'], {'torch': 0.08}),
    Goal('train', every('medium', 'large', cells=('lstm',)), {'torch': 0.75}, 0.75),
    Goal('train', every('medium', 'large', cells=('gru',)), {'torch': 0.6}, 0.7),
    Goal('train', every('medium', 'large', cells=('rnn',)), {'torch': 0.6}),
    Goal('train', ['lstm deep', 'lstm bidirectional'], {'torch': 0.75}, 0.75),
    Goal('train', ['lstm batch of 1'], {'torch': 0.25}),
    Goal('predict', every('small'), QUICK),
    Goal('predict', every('medium', 'large'), QUICK, 0.8),
    Goal('predict', SHAPES, QUICK),
    Goal(
        'step',
        every('stepper', cells=('lstm', 'gru')),
        {'torch': 0.06, 'jax': 1, 'onnxruntime': 0.35},
    ),
    Goal('step', every('stream', cells=('lstm', 'gru')), {'torch': 0.15, 'onnxruntime': 0.8}),
]


def workloads() -> list[str]:
    """Return the names of all workloads that have a goal."""
    wanted = {name for goal in GOALS for name in goal.names}
    return [name for name in WORKLOADS if name in wanted]


def table(results: dict[str, dict], peak: dict[int, float]) -> str:
    """Return a table with a row for each goal; figures that miss it are bold."""
    rows = []
    for goal in GOALS:
        for name in goal.names:
            if goal.what in results.get(name, {}).get('rnnkit', {}):
                rows.append(row(goal, name, results[name], peak))
    head = ['', 'rnnkit, ms', *(f'/ {peer}' for peer in PEERS)]
    return report.table(head + [f'of peak, {report.cores(n)}' for n in peak], rows)


def row(goal: Goal, name: str, figures: dict, peak: dict[int, float]) -> list[str]:
    """Return the cells of a workload."""
    ours = figures['rnnkit']
    cells = [f'{report.WHATS[goal.what]}, {name}', f'{ours[goal.what]:.3f}']
    for peer in PEERS:
        ratio = report.ratio(figures, goal.what, peer)
        cells.append('' if ratio is None else at_most(ratio, goal.limits.get(peer)))
    times = ours['threads'][goal.what]
    for n, share in report.of_peak(name, figures, goal.what, peak).items():
        counts = goal.share and times[n] == min(times.values())
        cells.append(at_least(share, goal.share) if counts else f'{share:.2f}')
    return cells


def at_most(value: float, limit: float | None) -> str:
    """Return a ratio with its limit, bold if it is exceeded."""
    if limit is None:
        return f'{value:.2f}'
    return f'{value:.2f} ≤ {limit:g}' if value <= limit else f'**{value:.2f} > {limit:g}**'


def at_least(value: float, limit: float) -> str:
    """Return a share with its limit, bold if it is not reached."""
    return f'{value:.2f} ≥ {limit:g}' if value >= limit else f'**{value:.2f} < {limit:g}**'
