"""Marks for cases of a test that only its long form runs: ``pytest -m long``."""

from collections.abc import Callable
from fnmatch import fnmatchcase
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


# Further forms of what a quicker test has an example of, by file: patterns of names.
FURTHER = {
    'test_pretraining_inputs': ['*'],
    'test_pretraining': ['test_a_stage_has_the_layers_that_it_needs[[]layers[1-9]*', '*seed_says*'],
    'test_recurrent_noise': ['test_training_with_known_noise*', '*widths_and_counters', '*lstm*'],
    'test_resume': ['*'],
    'test_update_rows': ['*size_of_the_table*', '*not_in_order*', '*old_ones_are_kept'],
    'test_sparse_rows': ['*rows_that_were_read*', '*embedding[[]0.1]', '*embedding_is_saved'],
    'test_dense': ['test_against_numpy[[]*-[13]]', 'test_several_inputs*float32*'],
    'test_borders': ['*float32*'],
    'test_border': ['*both_layouts_of*', '*any_numeric_type*', '*list_a_tuple_or_a_dict'],
    'test_optimizers': ['*rosenbrock*adam*'],
    'test_sequence_networks': ['*the_last_axis[[]time]', '*be_kept_out', '*go_together'],
    'test_several_losses': ['*by_its_own_time', '*between_trainings'],
    'test_activations_kernel': ['test_elementwise_activations_in_a_kernel'],
}


def is_further(file: str, name: str) -> bool:
    """Return whether a test is one of `FURTHER`."""
    return any(fnmatchcase(name, pattern) for pattern in FURTHER.get(file, ()))
