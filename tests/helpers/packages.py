"""Packages that not every Python can have."""

from importlib.metadata import PackageNotFoundError, version


def has_pymc() -> bool:
    """Return whether PyMC 6 or newer is installed; on Python 3.11 pip finds one of 2022."""
    try:
        return int(version('pymc').partition('.')[0]) >= 6
    except PackageNotFoundError:
        return False
