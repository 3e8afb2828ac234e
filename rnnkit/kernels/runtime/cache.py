"""Compiled kernels: from LLVM IR to addresses of functions, by way of a cache on disk.

In: a name, a description of everything that the machine code depends on, and a function that
writes the module. Out: a `Library`, the addresses of its exported functions.

A file's name contains the hash of the description, of the source of `rnnkit.kernels`, of the
processor and of LLVM's version, so a file of that name is never stale; it starts with a checksum
of itself, so a damaged one is never run. `rnnkit.kernels.runtime.cache_folder` says where it is. If
it cannot be written there, or others could, kernels are compiled in each process.

The names are also the symbols of the functions. PyTensor keeps the functions that call kernels
in a cache of its own; because they contain these symbols, they run a kernel of exactly this
source or, if that has changed, are compiled anew.
"""

import ctypes
import hashlib
import logging
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path

import llvmlite
import llvmlite.binding as llvm

from rnnkit.kernels.runtime import cache_folder, processor

log = logging.getLogger('rnnkit')
lock = threading.RLock()  # of the libraries; a fork takes it, too
_libraries: dict[str, 'Library'] = {}


class Library:
    """The functions of one compiled module; never unloaded.

    Attributes
    ----------
    name : str
        Prefix of the functions' symbols, which LLVM knows from now on.
    """

    def __init__(self, name: str, machine_code: bytes):
        self.name = name
        # Threads that wait for work outlive the interpreter, and so do arrays, which call the pool
        # when they are freed: there is a reference that never goes.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object((self, machine_code)))
        self._engine = llvm.create_mcjit_compiler(llvm.parse_assembly(''), target_machine())
        self._engine.add_object_file(llvm.ObjectFileRef.from_data(machine_code))
        self._engine.finalize_object()

    def address(self, function: str) -> int:
        """Return the address of an exported function, and let LLVM find it by its symbol."""
        symbol = f'{self.name}_{function}'
        address = self._engine.get_function_address(symbol)
        if not address:
            raise KeyError(f'kernels: no function {symbol!r}')
        llvm.add_symbol(symbol, address)
        return address


def library(kind: str, description: str, write: Callable[[str], str]) -> Library:
    """Return the compiled module for `description`, from memory, disk or by compiling it.

    Parameters
    ----------
    kind : str
        A readable start of the name, such as 'lstm_forward'.
    description : str
        Everything that `write` depends on, besides the source of this package.
    write : callable
        Takes the name, which is the prefix of exported functions; returns LLVM IR.
    """
    name = f'rnnkit_{kind}_{key(description)}'
    with lock:
        if name not in _libraries:
            machine_code = _read(name)
            if machine_code is None:
                machine_code = compile_ir(write(name))
                _write(name, machine_code)
            _libraries[name] = Library(name, machine_code)
        return _libraries[name]


def key(description: str) -> str:
    """Return the hash of `description` and of all else that machine code depends on."""
    parts = [description, source_hash(), *_platform()]
    return hashlib.sha256('\0'.join(parts).encode()).hexdigest()[:24]


@cache
def source_hash() -> str:
    """Return a hash of the source of `rnnkit.kernels`: a changed generator makes new names."""
    digest, folder = hashlib.sha256(), Path(__file__).parents[1]
    for path in sorted(folder.rglob('*.py')):
        digest.update(path.relative_to(folder).as_posix().encode() + b'\0' + path.read_bytes())
    return digest.hexdigest()


def _platform() -> tuple[str, ...]:
    # A home directory may be shared by machines: code for AVX-512 ends a process on another one.
    chosen = processor.chosen()
    return (llvmlite.__version__, llvm.get_process_triple(), chosen.name, chosen.features)


def target_machine() -> llvm.TargetMachine:
    """Return LLVM's description of the processor; an engine that is given it owns it."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    target = llvm.Target.from_triple(llvm.get_process_triple())
    chosen = processor.chosen()
    # 'jitdefault' allows for code and data that are far apart.
    return target.create_target_machine(
        cpu=chosen.name, features=chosen.features, opt=2, jit=True, codemodel='jitdefault'
    )


def compile_ir(text: str) -> bytes:
    """Return the machine code of a module."""
    module = llvm.parse_assembly(text)
    module.verify()
    machine = target_machine()
    # The writers of kernels unroll and vectorise loops, and compute nothing twice. LLVM's usual
    # passes ('O2') take twenty times as long as these, and the kernels are not faster.
    passes = llvm.create_new_module_pass_manager()
    passes.add_sroa_pass()
    passes.add_instruction_combine_pass()
    passes.add_simplify_cfg_pass()
    options = llvm.create_pipeline_tuning_options(speed_level=2)
    passes.run(module, llvm.create_pass_builder(machine, options))
    return machine.emit_object(module)


def _read(name: str) -> bytes | None:
    """Return the machine code kept under `name`, or None if there is none, or a damaged one."""
    data = cache_folder.read(f'{name}.o')
    if data is None:
        return None
    if hashlib.sha256(data[32:]).digest() != data[:32]:
        log.debug('kernels: %s in the cache is damaged; it is compiled again', name)
        return None
    return data[32:]


def _write(name: str, machine_code: bytes) -> None:
    """Keep `machine_code` on disk, if there is a folder for it."""
    cache_folder.write(f'{name}.o', hashlib.sha256(machine_code).digest() + machine_code)
