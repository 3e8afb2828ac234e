"""Packages that are not there on every Python."""

from importlib.metadata import PackageNotFoundError, version


def has_pymc() -> bool:
    """Return whether there is a PyMC of today; on Python 3.11 pip finds one of 2022."""
    try:
        return int(version('pymc').partition('.')[0]) >= 6
    except PackageNotFoundError:
        return False
