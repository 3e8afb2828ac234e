"""The processor that kernels are built for, and RNNKIT_CPU."""

import llvmlite.binding as llvm
import pytest

from rnnkit.errors import ConfigError
from rnnkit.kernels import switch
from rnnkit.kernels.language.vector import Target
from rnnkit.kernels.runtime import cache, kernel, processor

V2 = ['cx16', 'popcnt', 'sahf', 'sse3', 'ssse3', 'sse4.1', 'sse4.2']
V3 = ['avx', 'avx2', 'bmi', 'bmi2', 'f16c', 'fma', 'lzcnt', 'movbe', 'xsave']


def _forget():
    for function in (processor.chosen, kernel.host_target):
        function.cache_clear()


@pytest.fixture
def choose(monkeypatch):
    """Return a function that sets RNNKIT_CPU on an x86-64 with the given features."""

    def set_to(level, features):
        found = llvm.FeatureMap(dict.fromkeys(features, True))
        monkeypatch.setattr(llvm, 'get_host_cpu_features', lambda: found)
        monkeypatch.setattr(llvm, 'get_host_cpu_name', lambda: 'skylake')
        monkeypatch.setattr(llvm, 'get_process_triple', lambda: 'x86_64-unknown-linux-gnu')
        monkeypatch.setenv('RNNKIT_CPU', level)
        _forget()

    yield set_to
    _forget()


def test_a_level_decides_vectors_and_registers(choose):
    choose('x86-64-v3', [*V2, *V3, 'avx512f'])
    assert kernel.host_target('float32') == Target(32, 32, 16)
    choose('x86-64-v2', [*V2, *V3])
    assert kernel.host_target('float64') == Target(64, 16, 16)
    choose('native', [*V2, *V3, 'avx512f'])
    assert kernel.host_target('float32') == Target(32, 64, 32)


def test_a_level_is_part_of_the_key(choose):
    keys = set()
    for level in ('', 'x86-64-v3', 'x86-64-v2', 'x86-64'):
        choose(level, [*V2, *V3])
        keys.add(cache.key('same'))
    assert len(keys) == 4


def test_a_wider_one_is_refused(choose):
    choose('x86-64-v3', [*V2, *(name for name in V3 if name not in ('avx2', 'fma'))])
    with pytest.raises(ConfigError) as caught:
        processor.chosen()
    assert str(caught.value) == (
        "RNNKIT_CPU: code for 'x86-64-v3' cannot run here: this processor, skylake, has no avx2, "
        'fma. Choose a level that it has, or unset RNNKIT_CPU'
    )


def test_an_unknown_one_is_an_error_and_no_reason_for_scan(choose):
    choose('x86-64-v33', [*V2, *V3])
    with pytest.raises(ConfigError) as caught:
        processor.chosen()
    assert str(caught.value) == ("RNNKIT_CPU: no processor 'x86-64-v33'; did you mean 'x86-64-v3'?")
    choose('haswell', [*V2, *V3])
    with pytest.raises(ConfigError) as caught:
        processor.chosen()
    assert str(caught.value) == (
        "RNNKIT_CPU: no processor 'haswell'; known are: native, x86-64, x86-64-v2, x86-64-v3, "
        'x86-64-v4'
    )


def test_a_level_of_x86_is_refused_elsewhere(choose, monkeypatch):
    choose('x86-64', [])
    monkeypatch.setattr(llvm, 'get_process_triple', lambda: 'aarch64-unknown-linux-gnu')
    with pytest.raises(ConfigError, match='this processor, skylake, has no x86-64'):
        processor.chosen()


def test_the_error_is_not_hidden_by_the_fallback(monkeypatch):
    def wrong():
        raise ConfigError('RNNKIT_CPU: no processor')

    monkeypatch.setattr(switch, 'build_one', wrong)
    with pytest.raises(ConfigError, match='RNNKIT_CPU'):
        switch._can_be_built()


@pytest.mark.skipif(
    not llvm.get_process_triple().startswith('x86_64'), reason='levels are those of x86-64'
)
@pytest.mark.parametrize(
    ('level', 'register'), [('x86-64-v2', 'xmm'), ('x86-64-v3', 'ymm'), ('x86-64-v4', 'zmm')]
)
def test_machine_code_has_the_registers_of_the_level(monkeypatch, level, register):
    here = llvm.get_host_cpu_features()
    if not all(here.get(name) for name in processor.ADDED[level]):
        pytest.skip(f'this processor is below {level}')
    monkeypatch.setenv('RNNKIT_CPU', level)
    _forget()
    try:
        vector = '<16 x float>'
        text = f'define {vector} @f({vector} %a) {{ %b = fadd {vector} %a, %a ret {vector} %b }}'
        code = cache.target_machine().emit_assembly(llvm.parse_assembly(text))
    finally:
        _forget()
    assert {name for name in ('xmm', 'ymm', 'zmm') if f'%{name}' in code} == {register}
