"""Marks for cases of a test that only its long form runs: ``pytest -m long``."""

from collections.abc import Callable
from typing import Any

import pytest


def long(*values: Any, **options: Any) -> Any:
    """Return one case of a parametrization, given its values, as part of the long form."""
    return pytest.param(*values, **options, marks=pytest.mark.long)


def long_unless(chosen: Callable[..., bool], cases: Any) -> list[Any]:
    """Return cases, of which only the chosen ones are run when the long form is not.

    Parameters
    ----------
    chosen : callable
        Takes the values of a case, and returns whether the short form has it.
    cases : iterable of tuples, or of single values
    """
    marked = []
    for case in cases:
        values = case if isinstance(case, tuple) else (case,)
        marked.append(case if chosen(*values) else long(*values))
    return marked
