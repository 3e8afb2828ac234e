"""The names of the columns that a network was trained with: frames must not be mixed up."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rnnkit.common.spelling import brief
from rnnkit.data.arrays import Numbers
from rnnkit.data.field import Field
from rnnkit.data.frames import listed
from rnnkit.errors import ConfigError, DataError


class Columns:
    """The columns of the frames that a network was trained with.

    Attributes
    ----------
    known : dict of str to tuple of str
        By the name of the array, such as ``'x'``. Only names that are strings are kept.
    """

    def __init__(self):
        self.known: dict[str, tuple[object, ...]] = {}
        self._learns = False

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
