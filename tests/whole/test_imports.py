"""Which module may import which, and what `import rnnkit` does not import."""

import ast
import importlib.util
import re
import subprocess
import sys
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from repository import TESTS
from sizes import Source

import rnnkit

ROOT = Path(rnnkit.__file__).parent

MODULES = sorted(path.relative_to(ROOT).with_suffix('').parts for path in ROOT.rglob('*.py'))


@cache
def source(parts):
    return ast.parse(ROOT.joinpath(*parts).with_suffix('.py').read_text(encoding='utf-8'))


@cache
def imports(parts):
    """Return all import statements of a module."""
    kinds = (ast.Import, ast.ImportFrom)
    return [node for node in ast.walk(source(parts)) if isinstance(node, kinds)]


@cache
def imported(parts):
    """Return the modules of rnnkit that one imports, as tuples such as ('cells', 'base')."""
    found = []
    for node in imports(parts):
        if isinstance(node, ast.Import):
            found += [tuple(a.name.split('.')[1:]) for a in node.names if is_ours(a.name)]
            continue
        assert node.level == 0, f'{parts}: imports are absolute'
        if is_ours(node.module):
            found += [target(node.module, alias.name) for alias in node.names]
    return found


def packages(parts):
    """Return the packages that a module imports, by their first names."""
    names = [
        name
        for node in imports(parts)
        for name in (
            [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module]
        )
    ]
    return {name.partition('.')[0] for name in names}


def is_ours(name):
    return name.split('.')[0] == 'rnnkit'


def target(module, name):
    """Return the module that ``from module import name`` reads."""
    folder = tuple(module.split('.')[1:])
    inner = (*folder, name)
    return inner if inner in MODULES or (*inner, '__init__') in MODULES else folder


def rooms():
    """Return the rooms in the order of the table of CONTRIBUTING.md."""
    text = (TESTS.parent / 'CONTRIBUTING.md').read_text(encoding='utf-8')
    table = text.partition('| rooms, in order |')[2].partition('\n\n')[0]
    rows = [line.split('|')[1] for line in table.splitlines() if line.startswith('| `')]
    return [
        name.removesuffix('.py').rstrip('/') for row in rows for name in re.findall('`(.*?)`', row)
    ]


ROOMS = rooms()


def room(parts):
    """Return the room of a module: a file, a folder, or a part of kernels/."""
    name = '/'.join(parts[:2] if parts[0] == 'kernels' else parts[:1])
    return name or '__init__'


def test_every_module_has_its_room():
    assert {room(parts) for parts in MODULES} == set(ROOMS)
    assert len(ROOMS) == len(set(ROOMS))


@pytest.mark.parametrize('parts', MODULES, ids='.'.join)
def test_a_module_imports_only_rooms_before_its_own(parts):
    for other in imported(parts):
        if other[:1] == ('integrations',) and inside_functions(parts, 'rnnkit.integrations'):
            continue
        here, there = room(parts), room(other)
        if there == 'kernels':
            there = 'kernels/__init__'
        assert ROOMS.index(there) < ROOMS.index(here) or here == there, f'{parts} imports {other}'


def test_no_imports_go_in_a_circle():
    graph = {parts: set() for parts in MODULES}
    for parts in MODULES:
        for other in imported(parts):
            inner = other if other in graph else (*other, '__init__')
            if inner != parts and inner[0] != 'integrations':
                graph[parts].add(inner)
    TopologicalSorter(graph).prepare()  # raises a CycleError


def test_data_is_numpy_alone():
    seen, waiting = set(), [parts for parts in MODULES if parts[0] == 'data']
    while waiting:
        parts = waiting.pop()
        seen.add(parts)
        assert 'pytensor' not in packages(parts), parts
        found = [other if other in MODULES else (*other, '__init__') for other in imported(parts)]
        waiting += [other for other in found if other not in seen]


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
    [('scan', ['unroll']), ('function', ['common.compiled', 'kernels.runtime.fused_op'])],
)
def test_a_dependency_has_one_door(name, doors):
    assert ['.'.join(parts) for parts in MODULES if uses(parts, name)] == doors


def test_optional_packages_are_imported_in_their_rooms_alone():
    optional = {'matplotlib', 'pandas', 'polars', 'sklearn', 'sktime', 'torch', 'onnx', 'tqdm'}
    optional |= {'optuna', 'dask', 'distributed', 'joblib', 'keras', 'h5py', 'pymc', 'xarray'}
    optional |= {'mlflow'}
    for parts in MODULES:
        names = packages(parts)
        allowed = {'integrations': optional, 'sklearn': {'sklearn'}}.get(parts[0], set())
        assert not names & optional - allowed, parts


def test_import_rnnkit_loads_no_optional_package():
    # PyTensor itself imports Numba; rnnkit must not ask for it, and needs none of the others.
    code = (
        'import sys, pytensor.tensor; before = set(sys.modules); import rnnkit; '
        'new = {name.split(".")[0] for name in set(sys.modules) - before}; '
        'print(sorted(new & {"matplotlib", "pandas", "numba", "torch", "jax", "sklearn", "sktime", '
        '"tqdm", "optuna", "dask", "joblib", "onnx", "keras", "h5py", "pymc", "xarray"}), '
        '"matplotlib" in sys.modules, "pandas" in sys.modules)'
    )
    found = subprocess.run(
        [sys.executable, '-c', code],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT.parent,
    )
    assert found.stdout.strip() == '[] False False'


def test_import_rnnkit_loads_nothing_for_several_processes_and_data_on_disk():
    later = [
        *['data.blocks', 'data.examples', 'data.on_disk', 'data.stored_windows', 'parallel.ranks'],
        *['training.exchange', 'training.split_update', 'training.together'],
    ]
    names = [f'rnnkit.{name}' for name in later]
    for name in names:
        assert importlib.util.find_spec(name), name
    code = f'import sys, rnnkit; print([name for name in {names} if name in sys.modules])'
    found = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, check=True, cwd=ROOT.parent
    )
    assert found.stdout.strip() == '[]'


@pytest.mark.parametrize(('folder', 'most'), [(ROOT, 350), (TESTS, 500)])
def test_files_are_not_long(folder, most):
    long = {path.name: n for path in folder.rglob('*.py') if (n := sizes(path).lines) > most}
    assert not long


@cache
def sizes(path):
    return Source(path)


def functions():
    """Yield each function of rnnkit with its name."""
    for parts in MODULES:
        for function in sizes(ROOT.joinpath(*parts).with_suffix('.py')).functions:
            yield '.'.join((*parts, function.name)), function


def test_functions_are_not_long_and_take_few_arguments():
    assert not {name: f.lines for name, f in functions() if f.lines > 40}
    assert not {name: f.required for name, f in functions() if f.required > 8}


def test_few_arguments_are_of_any_type():
    types = [annotation for _, f in functions() for annotation in f.annotations]
    assert types.count('Any') <= len(types) / 20


def test_public_names_exist_and_are_listed():
    for name in rnnkit.__all__:
        assert hasattr(rnnkit, name)
    assert rnnkit.__all__ == sorted(rnnkit.__all__)
    assert (ROOT / 'py.typed').exists()
