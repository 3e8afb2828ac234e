"""The version of the package, also read when it is built."""

__version__ = '0.2.0'
