"""The form of the data that a network was trained with: columns of frames, lists of sequences."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rnnkit.common import caller
from rnnkit.common.spelling import brief
from rnnkit.data.arrays import Numbers
from rnnkit.data.field import Field
from rnnkit.data.frames import listed
from rnnkit.errors import ConfigError, DataError


class Columns:
    """The columns of the frames that a network was trained with, and whether it read lists.

    Attributes
    ----------
    known : dict of str to tuple of str
        By the name of the array, such as ``'x'``. Only names that are strings are kept.
    listed : bool or None
        Whether all data of all trainings were lists of sequences; None before a training. Files
        do not contain it.
    """

    def __init__(self):
        self.known: dict[str, tuple[object, ...]] = {}
        self._learns = False
        self.listed: bool | None = None

    @contextmanager
    def learning(self) -> Iterator[None]:
        """Remember the columns of the frames that are read in this block."""
        before, self._learns = self._learns, True
        try:
            yield
        finally:
            self._learns = before

    def check(self, where: str, name: str, numbers: Numbers) -> None:
        """Raise a DataError if a frame has other columns than the one before it.

        Parameters
        ----------
        where : str
        name : str
            The name of the array.
        numbers : Numbers
            Anything but a frame is right.
        """
        columns = numbers.columns
        if not columns or numbers.is_series:
            return
        known = self.known.get(name)
        if known is None:
            if self._learns and all(isinstance(column, str) for column in columns):
                self.known[name] = columns
        elif columns != known:
            order = ' in this order' if sorted(map(str, columns)) == sorted(map(str, known)) else ''
            raise DataError(
                f'{where} has the columns {listed(columns)}; the network was trained with '
                f'{listed(known)}{order}. Select them by frame[{brief(list(known))}], or pass '
                f'frame.to_numpy() if they are the same'
            )

    def check_step(self, where: str, name: str, numbers: Numbers) -> None:
        """Check one time step, as `check` does: a frame, or a row of one, which is a Series."""
        self.check(where, name, numbers)
        rows = numbers.rows
        if numbers.is_series and rows is not None and all(isinstance(r, str) for r in rows):
            self.check(where, name, Numbers(numbers.array[None], columns=tuple(rows)))

    def note_list(self, listed: bool) -> None:
        """Remember whether training data are a list of sequences, in a block of `learning`."""
        if self._learns:
            self.listed = listed and self.listed is not False

    def check_list(self, where: str, shape: tuple[int, ...]) -> None:
        """Warn once of an array that is read along time, if the network has seen only lists.

        Parameters
        ----------
        where : str
            The call and the name, for messages.
        shape : tuple of int
            Time steps first, then sequences.
        """
        if not self.listed or len(shape) < 2 or shape[1] == 1:
            return
        self.listed = False
        T, B = shape[:2]
        caller.warn(
            f'{where}, an array of shape {shape}, is read as {T} step{"s" * (T > 1)} of {B} '
            f'sequences, but the network was trained on lists of sequences; pass a list, such as '
            f"list(array), or build the network with layout='batch'",
            UserWarning,
        )

    def to_spec(self) -> dict[str, list[object]]:
        """Return the names, fit for JSON."""
        return {name: list(columns) for name, columns in self.known.items()}

    def read_spec(self, spec: object, fields: Sequence[Field]) -> None:
        """Take the names from a spec, or raise a ConfigError."""
        sizes = {field.name: field.size if field.has_features else 1 for field in fields}
        if not isinstance(spec, dict) or not all(
            isinstance(names, list)
            and len(names) == sizes.get(name)
            and all(isinstance(one, str) for one in names)
            for name, names in spec.items()
        ):
            raise ConfigError(
                f'from_spec(): columns must be a dict of lists of names, one name for each '
                f'feature of an array; got {brief(spec)}'
            )
        self.known = {name: tuple(names) for name, names in spec.items()}
