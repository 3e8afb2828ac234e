"""Warnings at the line of the user's program, however deep they arise."""

import sys
import warnings

PASSED = {'rnnkit', 'pytensor', 'numba', 'llvmlite'} | set(sys.stdlib_module_names)


def warn(message: str, category: type[Warning] = RuntimeWarning) -> None:
    """Warn at the innermost line that is neither of rnnkit nor of what it calls."""
    frame, level = sys._getframe(0), 1
    while frame.f_back and frame.f_globals.get('__name__', '').partition('.')[0] in PASSED:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)
