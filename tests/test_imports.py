"""Which module may import which, and what `import rnnkit` does not import."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import rnnkit

ROOT = Path(rnnkit.__file__).parent
TESTS = Path(__file__).parent

# A row imports rows above it, or modules of its own folder. A folder is one row.
ROWS = [
    'version', 'errors', 'checks', 'paths', 'spellings', 'registry', 'tensors', 'activations',
    'initializers', 'short_forms', 'windows', 'datasets', 'sequences', 'text', 'cells', 'kernels',
    'unroll', 'noise', 'layers',
    'plan', 'graph', 'losses', 'regularizers', 'custom', 'metrics', 'optimizers', 'monitors',
    'progress', 'compiled', 'history', 'schedules', 'storage', 'callbacks', 'options', 'trainstep',
    'trainer', 'lbfgs', 'streaming', 'carry',
    'disturbances', 'flow', 'fields', 'given', 'border', 'goal', 'goals', 'objectives', 'batching',
    'sampling', 'generation',
    'noisy_outputs', 'inference', 'summary', 'checkpoints', 'algorithms', 'files', 'network',
    'models', 'autoencoder', 'pretraining', 'recurrent', 'experiment',
    'minimize', 'testing', '__init__', 'precompile', 'integrations',
]  # fmt: skip
# Order inside a folder, likewise.
FOLDERS = {
    'activations': ['registry', 'elementwise', 'features', 'learned', 'chain', '__init__'],
    'callbacks': ['base', 'best', 'early_stop', 'files', 'bar', 'hooks', '__init__'],
    'cells': [
        'base',
        'checks',
        'modules',
        'rates',
        'rnn',
        'lstm',
        'gru',
        'rrnn',
        'mrnn',
        'mut1',
        'scrn',
        'clockwork',
        'bcrnn',
        'noisy',
        '__init__',
    ],
    'kernels': [
        'walk',
        'program',
        'pointwise',
        'form',
        'trace',
        'vector',
        'elementary',
        'lanes',
        'gemm',
        'frame',
        'threads',
        'point',
        'loop',
        'backward',
        'dense',
        'mean',
        'softmax',
        'rule',
        'rows',
        'update',
        'cache',
        'kernel',
        'pool',
        'glue',
        'update_glue',
        'meaning',
        'dense_ops',
        'loss_ops',
        'update_ops',
        'ops',
        'lower_jax',
        'for_jax',
        '__init__',
    ],
    'layers': [
        'base',
        'recurrent',
        'registry',
        'input',
        'dense',
        'bidirectional',
        'dropout',
        'embedding',
        'joining',
        'tied',
        'conv',
        'normalization',
        'time',
        'reshape',
        'spec',
        '__init__',
    ],
    'losses': ['base', 'regression', 'classes', 'distributions', '__init__'],
    'noise': ['philox', 'ops', 'for_numba', 'for_jax', '__init__'],
    'optimizers': [
        'base',
        'sgd',
        'rprop',
        'rmsprop',
        'adagrad',
        'esgd',
        'adam',
        'lion',
        'lbfgs',
        'rows',
        'step',
        '__init__',
    ],
    'integrations': ['__init__', 'plots', 'bars'],
    'pretraining': ['settings', 'stages', 'growing', 'autoencoders', 'samples', '__init__'],
}
MODULES = sorted(path.relative_to(ROOT).with_suffix('').parts for path in ROOT.rglob('*.py'))


def source(parts):
    return ast.parse(ROOT.joinpath(*parts).with_suffix('.py').read_text(encoding='utf-8'))


def imported(parts):
    """Yield the modules of rnnkit that one imports, as tuples such as ('cells', 'base')."""
    for node in ast.walk(source(parts)):
        if isinstance(node, ast.Import):
            yield from (tuple(a.name.split('.')[1:]) for a in node.names if is_ours(a.name))
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f'{parts}: imports are absolute'
            if is_ours(node.module):
                yield from (target(node.module, alias.name) for alias in node.names)


def is_ours(name):
    return name.split('.')[0] == 'rnnkit'


def target(module, name):
    """Return the module that ``from module import name`` reads."""
    folder = tuple(module.split('.')[1:])
    inner = (*folder, name)
    return inner if inner in MODULES or (*inner, '__init__') in MODULES else folder


def test_every_module_has_its_row():
    assert {parts[0] for parts in MODULES} == set(ROWS)
    for folder, order in FOLDERS.items():
        assert {parts[1] for parts in MODULES if parts[0] == folder} == set(order)


@pytest.mark.parametrize('parts', MODULES, ids='.'.join)
def test_a_module_imports_only_rows_above_it(parts):
    for other in imported(parts):
        if other[:1] == ('integrations',) and inside_functions(parts, 'rnnkit.integrations'):
            continue
        if other[:1] == parts[:1]:
            order = FOLDERS[parts[0]]
            inner = other[1] if len(other) > 1 else '__init__'
            assert order.index(inner) < order.index(parts[1]), f'{parts} imports {other}'
        else:
            row = other[0] if other else '__init__'
            assert ROWS.index(row) < ROWS.index(parts[0]), f'{parts} imports {other}'


def inside_functions(parts, module):
    """Return whether every import of `module` is made when a function runs."""
    top = [n for n in ast.iter_child_nodes(source(parts)) if isinstance(n, ast.ImportFrom)]
    return not any((n.module or '').startswith(module) for n in top)


def uses(parts, name):
    """Return whether a module reads ``pytensor.<name>`` or imports `name` from PyTensor."""
    return any(
        node.attr == name and isinstance(node.value, ast.Name) and node.value.id == 'pytensor'
        if isinstance(node, ast.Attribute)
        else isinstance(node, ast.ImportFrom)
        and (node.module or '').startswith('pytensor')
        and name in [alias.name for alias in node.names]
        for node in ast.walk(source(parts))
    )


@pytest.mark.parametrize(
    # An Op whose backend has no code for it must run by itself: the kernels' Ops do.
    ('name', 'doors'),
    [('scan', ['unroll']), ('function', ['compiled', 'kernels.meaning'])],
)
def test_a_dependency_has_one_door(name, doors):
    assert ['.'.join(parts) for parts in MODULES if uses(parts, name)] == doors


def test_optional_packages_are_imported_in_integrations_alone():
    optional = {'matplotlib', 'pandas', 'sklearn', 'torch', 'onnx', 'tqdm'}
    for parts in MODULES:
        names = set()
        for node in ast.walk(source(parts)):
            if isinstance(node, ast.Import):
                names |= {alias.name.split('.')[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names.add(node.module.split('.')[0])
        assert parts[0] == 'integrations' or not names & optional, parts


def test_import_rnnkit_loads_no_optional_package():
    # PyTensor itself imports Numba; rnnkit must not ask for it, and needs none of the others.
    code = (
        'import sys, pytensor.tensor; before = set(sys.modules); import rnnkit; '
        'new = {name.split(".")[0] for name in set(sys.modules) - before}; '
        'print(sorted(new & {"matplotlib", "pandas", "numba", "torch", "jax", "sklearn", "tqdm"}), '
        '"matplotlib" in sys.modules, "pandas" in sys.modules)'
    )
    found = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, check=True,
        cwd=ROOT.parent,
    )  # fmt: skip
    assert found.stdout.strip() == '[] False False'


@pytest.mark.parametrize(('folder', 'most'), [(ROOT, 300), (TESTS, 350)])
def test_files_are_not_long(folder, most):
    long = {path.name: n for path in folder.rglob('*.py') if (n := lines_of_code(path)) > most}
    assert not long


def lines_of_code(path):
    """Return the number of lines of a file that are neither blank, nor comments, nor docstrings."""
    text = path.read_text(encoding='utf-8')
    docs = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            docs |= set(range(node.lineno, node.end_lineno + 1))
    lines = enumerate(text.splitlines(), 1)
    return sum(k not in docs and bool(line.strip()) and not line.lstrip().startswith('#')
               for k, line in lines)  # fmt: skip


def test_public_names_exist_and_are_listed():
    for name in rnnkit.__all__:
        assert hasattr(rnnkit, name)
    assert rnnkit.__all__ == sorted(rnnkit.__all__)
    assert (ROOT / 'py.typed').exists()
