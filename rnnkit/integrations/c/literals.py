"""Numbers and arrays as text of C."""

import math

import numpy as np

WIDTH = 96  # columns of a line


def number(value: float, dtype: str) -> str:
    """Return a number as a constant of C that has exactly this value in `dtype`.

    It has as many digits as tell it from all other numbers of `dtype`: at most 9 for float32, 17
    for float64.
    """
    with np.errstate(over='ignore'):
        value = np.dtype(dtype).type(value)
    if math.isnan(value):
        return 'NAN'
    if math.isinf(value):
        return 'INFINITY' if value > 0 else '(-INFINITY)'
    text = str(value)  # the shortest one that is read back as this number
    if not set('.en') & set(text):
        text += '.0'
    text += 'f' if dtype == 'float32' else ''
    return f'({text})' if text.startswith('-') else text


def array(values: np.ndarray, dtype: str) -> list[str]:
    """Return the numbers of an array as lines, without braces; a row begins a line."""
    lines = []
    for row in np.atleast_2d(values):
        line = '   '
        for value in row:
            text = f' {number(value, dtype).strip("()")},'
            if len(line) + len(text) > WIDTH:
                lines.append(line)
                line = '   '
            line += text
        lines.append(line)
    return lines


def string(text: str) -> str:
    """Return a text as a constant of C, in UTF-8."""
    out = []
    for byte in text.encode('utf-8', 'surrogatepass'):
        plain = 32 <= byte < 127 and chr(byte) not in '"\\?'
        out.append(chr(byte) if plain else f'\\{byte:03o}')
    return '"' + ''.join(out) + '"'


def comment(text: str) -> str:
    """Return a text that can stand in a comment."""
    plain = text.encode('ascii', 'backslashreplace').decode()
    return (
        ''.join(c if c.isprintable() else ' ' for c in plain)
        .replace('*/', '* /')
        .replace('/*', '/ *')
    )
