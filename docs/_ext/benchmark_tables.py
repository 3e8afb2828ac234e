"""The directive ``benchmarks``: a table of benchmarks/README.md, so that nothing is written twice.

``.. benchmarks:: rnnkit, ms | / torch`` shows the first table whose header contains this text;
``.. benchmarks:: ratios`` the ratios of benchmarks/ratios.json, from which the picture is drawn.
"""

import json
from pathlib import Path

from sphinx.util.docutils import SphinxDirective

FOLDER = Path(__file__).resolve().parents[2] / 'benchmarks'
PEERS = {'torch': 'PyTorch', 'jax': 'JAX', 'keras': 'Keras on JAX', 'onnxruntime': 'onnxruntime'}


def table(header: str, text: str) -> list[list[str]]:
    """Return the cells of the first Markdown table whose first row contains a text."""
    lines = iter(text.splitlines())
    for line in lines:
        if line.startswith('|') and header in line:
            break
    else:
        raise ValueError(f'benchmarks/README.md has no table with {header!r} in its first row')
    rows = [line]
    for line in lines:
        if not line.startswith('|'):
            break
        rows.append(line)
    del rows[1]  # the rule below the header
    return [[cell.strip().replace('`', '``') for cell in row.strip('|').split('|')] for row in rows]


def ratios(measured: dict) -> list[list[str]]:
    """Return rows with rnnkit's milliseconds, and its time divided by that of each peer."""
    rows = [['', 'rnnkit, ms', *(f'/ {peer}' for peer in PEERS.values())]]
    for what, title in (('train', 'update'), ('predict', 'prediction'), ('step', 'one step')):
        for workload, times in measured['workloads'].items():
            own = times['rnnkit'].get(what)
            if own is None:
                continue
            others = [times.get(peer, {}).get(what) for peer in PEERS]
            shares = [f'{own / other:.2f}' if other else '' for other in others]
            name = workload.replace(' stepper', '')
            rows.append([f'{title}, {name}', f'{own:.3f}', *shares])
    return rows


class Benchmarks(SphinxDirective):
    """A table of figures."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self):
        """Return the table."""
        wanted = self.arguments[0]
        source = FOLDER / ('ratios.json' if wanted == 'ratios' else 'README.md')
        self.env.note_dependency(str(source))
        text = source.read_text(encoding='utf-8')
        rows = ratios(json.loads(text)) if wanted == 'ratios' else table(wanted, text)
        lines = ['.. list-table::', '   :header-rows: 1', '']
        for row in rows:
            lines += [f'   {"*" if not k else " "} - {cell}' for k, cell in enumerate(row)]
        return self.parse_text_to_nodes('\n'.join(lines))


def setup(app):
    """Add the directive."""
    app.add_directive('benchmarks', Benchmarks)
    return {'parallel_read_safe': True}
