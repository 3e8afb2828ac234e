"""Text as tokens: an alphabet or a vocabulary, and batches of windows. NumPy only."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, repeat

import numpy as np
from numpy.typing import ArrayLike

from rnnkit.common.calls import checked_methods
from rnnkit.common.checks import choice, flag, whole
from rnnkit.common.spelling import brief
from rnnkit.data.arrays import LAYOUTS, as_array, as_plain, number_type
from rnnkit.data.windows import Window, Windows, batches, fold
from rnnkit.errors import ConfigError, DataError, ShapeError

LEVELS = {'character': '\0', 'word': '<unk>'}  # and the symbol for unknown ones


@checked_methods
class Text:
    r"""A text, the symbols that occur in it, and their numbers.

    Symbols are characters, or words. They are numbered from 1 in the order of `alpha`; 0 is any
    symbol that is not in `alpha`. A network for it has ``text.size`` inputs and outputs.

    Parameters
    ----------
    text : str or list of str
        With ``level='word'`` a str is split at white space. A list is a list of words.
    alpha : str or list of str, optional
        The known symbols, in the order of their numbers. By default, sorted, all that occur in the
        text at least `min_count` times.
    min_count : int
    unknown : str, optional
        The symbol for all others: ``'\0'`` for characters, ``'<unk>'`` for words.
    level : {'character', 'word'}

    Attributes
    ----------
    text : str
        The text with `unknown` in place of the symbols that are not in `alpha`.
    alpha : str, or tuple of str for words
    size : int
        ``1 + len(alpha)``.
    numbers : array of int of shape (T_total,)
        The number of each symbol of the text.

    Raises
    ------
    DataError
        If it is no text, or no symbol of it is known.
    ConfigError
        If `alpha` has a symbol twice or `unknown` in it, or a setting is not one that exists.

    Examples
    --------
    >>> text = Text('to be or not to be', min_count=3, unknown='_')
    >>> text.alpha, text.size, text.text
    (' ot', 4, 'to __ o_ _ot to __')
    >>> text.encode('not'), text.decode([0, 2, 0])
    ([0, 2, 3], '_o_')
    >>> words = Text('to be or not to be', level='word')
    >>> words.alpha, words.decode(words.encode('to be is to do'))
    (('be', 'to'), 'to be <unk> to <unk>')
    """

    def __init__(
        self,
        text: str | Sequence[str],
        alpha: str | Sequence[str] | None = None,
        min_count: int = 2,
        unknown: str | None = None,
        *,
        level: str = 'character',
    ):
        choice('Text: level', level, LEVELS)
        self.level = level if isinstance(text, str) else 'word'
        self.unknown = LEVELS[self.level] if unknown is None else unknown
        if not isinstance(self.unknown, str):
            raise ConfigError(f'Text: unknown must be a str; got {self.unknown!r:.80}')
        whole('Text: min_count', min_count, 1)
        symbols = self._symbols('Text: the text', text)
        if not symbols:
            raise DataError('Text: the text is empty')
        if alpha is None:
            alpha = [s for s, n in Counter(symbols).items() if n >= min_count and s != self.unknown]
            if not alpha:
                raise DataError(
                    f'Text: no {self.level} occurs {min_count} times; try a smaller min_count'
                )
            alpha = sorted(alpha)
        alpha = self._checked(self._symbols('Text: alpha', alpha))
        self.alpha = ''.join(alpha) if self.level == 'character' else tuple(alpha)
        self._known = [self.unknown, *alpha]
        self._number = {symbol: k for k, symbol in enumerate(self._known)}
        self.numbers = np.array(self._encoded(symbols), 'int64')
        if not self.numbers.any():
            raise DataError(f'Text: no {self.level} of the text is in alpha')
        self.text = self._joined(self.numbers)

    def _symbols(self, where: str, text: object) -> str | list[str]:
        if isinstance(text, str):
            return text.split() if self.level == 'word' else text
        expected = f'{where} must be a str or a list of str'
        kind = type(text).__name__
        if isinstance(text, bytes | bytearray):
            raise DataError(f"{expected}; got {kind}; make them a str by .decode('utf-8')")
        if hasattr(text, 'read') or hasattr(text, 'read_text'):
            call = 'read()' if hasattr(text, 'read') else "read_text(encoding='utf-8')"
            raise DataError(f'{expected}; got {kind}; pass what {call} returns')
        if not isinstance(text, Iterable):
            raise DataError(f'{expected}; got {kind}')
        symbols = list(text)
        wrong = [s for s in symbols if not isinstance(s, str)]
        if wrong:
            hint = "; make each a str by .decode('utf-8')" if isinstance(wrong[0], bytes) else ''
            raise DataError(f'{expected}; it contains {brief(wrong[0])}{hint}')
        return symbols

    def _checked(self, alpha: str | list[str]) -> list[str]:
        """Return the symbols of an alphabet, or raise an error for one that cannot be used."""
        wrong = [s for s in [*alpha, self.unknown] if len(s) != 1]
        if self.level == 'character' and wrong:
            raise ConfigError(
                f'Text: alpha and unknown must be single characters; got {wrong[0]!r}; '
                f"level='word' is for words"
            )
        if self.unknown in alpha:
            raise ConfigError(
                f'Text: alpha contains {self.unknown!r}, which stands for unknown symbols; '
                f'choose another unknown='
            )
        twice = [s for s, n in Counter(alpha).items() if n > 1]
        if twice:
            raise ConfigError(f'Text: alpha contains {twice[0]!r} twice')
        return list(alpha)

    def __repr__(self) -> str:
        return f'<Text: {len(self.numbers):,} {self.level}s, {len(self.alpha):,} different>'

    @property
    def size(self) -> int:
        """The number of tokens: one for each known symbol, and 0 for all others."""
        return len(self._known)

    def encode(self, text: str | Sequence[str]) -> list[int]:
        """Return the number of each symbol of one text, 0 for those that are not known.

        Parameters
        ----------
        text : str or list of str
            A list is a list of the symbols of one text: of words, or of characters.

        Raises
        ------
        DataError
            If it is no text; or if it is a list of texts, each of several symbols.
        """
        symbols = self._symbols('encode(): the text', text)
        if not isinstance(text, str):
            self._check_one_text(symbols)
        return self._encoded(symbols)

    def _check_one_text(self, symbols: Iterable[str]) -> None:
        """Raise a DataError for a symbol that is not known and that is a text of several."""
        for symbol in symbols:
            parts = list(symbol) if self.level == 'character' else symbol.split()
            if symbol not in self._number and len(parts) > 1:
                raise DataError(
                    f'encode(): a list is a list of the {self.level}s of one text; {symbol!r:.80} '
                    f'has {len(parts)}. For several texts write [text.encode(s) for s in texts]'
                )

    def _encoded(self, symbols: str | list[str]) -> list[int]:
        return list(map(self._number.get, symbols, repeat(0)))

    def decode(self, numbers: ArrayLike | Iterable[int]) -> str:
        """Return the text that numbers stand for; words are joined by spaces.

        Parameters
        ----------
        numbers : list, array or iterator of int of shape (T,)
            One text; also of shape (T, 1) or (1, T), as `generate` returns it.

        Raises
        ------
        DataError
            If one is not a number of a symbol.
        ShapeError
            If there are several texts.
        """
        if isinstance(numbers, str | bytes):
            raise DataError(f'decode(): expects numbers; got {brief(numbers)}; encode() takes text')
        numbers = list(numbers) if isinstance(numbers, Iterator) else numbers
        array = as_plain('decode(): numbers', numbers)
        if array.ndim == 0:
            raise ShapeError(f'decode(): expects a list of numbers; got {brief(numbers)}')
        if array.ndim == 2 and 1 in array.shape:
            array = array.reshape(-1)  # (T,), from one stream
        if array.ndim != 1:
            raise ShapeError(
                f'decode(): expects the numbers of one text, (T,); got {array.shape}; for several '
                f'texts, decode each, such as numbers[:, 0]'
            )
        wrong = [n for n in array.tolist() if n not in range(self.size)]
        if wrong:
            raise DataError(
                f'decode(): {wrong[0]!r} is not the number of a {self.level}; they are 0 to '
                f'{self.size - 1}'
            )
        return self._joined(array)

    def _joined(self, numbers: np.ndarray) -> str:
        separator = '' if self.level == 'character' else ' '
        return separator.join(map(self._known.__getitem__, numbers.astype('int64').tolist()))

    # --- batches ---

    def classifier_batches(
        self,
        steps: int = 100,
        batch_size: int = 64,
        rng: int | np.random.Generator | None = None,
        *,
        layout: str = 'time',
        dtype: str = 'float32',
    ) -> Callable[[], list[np.ndarray]]:
        """Return a callable that draws windows at random, and what follows each symbol.

        Parameters
        ----------
        steps : int
        batch_size : int
        rng : int or numpy.random.Generator, optional
            A seed or a generator; by default every callable draws other windows.
        layout : {'time', 'batch'}
        dtype : str

        Returns
        -------
        draw : callable
            Each call returns ``[x, y]``: x (steps, batch_size, V) has a 1 at the number of its
            symbol and else 0, where V is `size`; y (steps, batch_size) has the number of the next
            symbol. With ``layout='batch'`` the first two axes change places.

        Raises
        ------
        ConfigError, ShapeError
            If a setting makes no sense, or the text is shorter than a window.

        Examples
        --------
        >>> text = Text('abcd' * 50)
        >>> x, y = text.classifier_batches(20, 8, rng=0)()
        >>> x.shape, y.shape
        ((20, 8, 5), (20, 8))
        """
        return self.batches(steps, batch_size, rng, one_hot=True, layout=layout, dtype=dtype)

    def batches(
        self,
        steps: int = 100,
        batch_size: int = 64,
        rng: int | np.random.Generator | None = None,
        *,
        one_hot: bool = False,
        layout: str = 'time',
        dtype: str = 'float32',
    ) -> Callable[[], list[np.ndarray]]:
        """Return a callable like that of `classifier_batches`, whose x are tokens.

        A network that begins with an embedding reads them: x (steps, batch_size), of int64. With
        ``one_hot=True`` this is `classifier_batches`.
        """
        whole('batches(): steps', steps, 1)
        self._check_length(steps, 1)
        draw = batches([self.numbers[:-1], self.numbers[1:]], steps, batch_size, rng, layout)
        flag('batches(): one_hot', one_hot)
        number_type('batches(): dtype', dtype)
        if not one_hot:
            return draw

        def draw_one_hot() -> list[np.ndarray]:
            x, y = draw()
            return [self.one_hot(x, dtype), y]

        return draw_one_hot

    def contiguous_batches(
        self,
        steps: int = 100,
        batch_size: int = 64,
        *,
        one_hot: bool = False,
        layout: str = 'time',
        dtype: str = 'float32',
    ) -> Callable[[], Window]:
        """Return a callable that goes through the text in order, for a state that is carried.

        The text is cut into `batch_size` streams that are read side by side, see
        `rnnkit.recurrent.fold`. Each window begins where the last one ended; the last of a pass may
        be shorter, and the one after it begins anew.

        Returns
        -------
        draw : callable
            Each call returns ``[x, y]`` as in `batches`, as a `rnnkit.data.Window`: its
            `fresh` says whether the streams begin here.
        """
        whole('contiguous_batches(): steps', steps, 1)
        whole('contiguous_batches(): batch_size', batch_size, 1)
        choice('contiguous_batches(): layout', layout, LAYOUTS)
        flag('contiguous_batches(): one_hot', one_hot)
        number_type('contiguous_batches(): dtype', dtype)
        self._check_length(steps, batch_size)
        streams = [fold(self.numbers[:-1], batch_size), fold(self.numbers[1:], batch_size)]
        windows = chain.from_iterable(repeat(Windows(streams, [1, 1], [0, 0], steps)))

        def draw() -> Window:
            window = next(windows)
            x, y = window if layout == 'time' else map(np.ascontiguousarray, (w.T for w in window))
            return Window([self.one_hot(x, dtype) if one_hot else x, y], window.fresh)

        return draw

    def one_hot(self, numbers: ArrayLike, dtype: str = 'float32') -> np.ndarray:
        """Return an array with a further axis, of `size`, with a 1 at each number.

        Parameters
        ----------
        numbers : array of int of any shape
            From 0 to ``size - 1``.
        dtype : str

        Raises
        ------
        DataError
            If one is not the number of a symbol.
        """
        kind = number_type('one_hot(): dtype', dtype)
        numbers = as_array('one_hot(): numbers', numbers, 'int64')
        if numbers.min() < 0 or numbers.max() >= self.size:
            wrong = numbers.min() if numbers.min() < 0 else numbers.max()
            raise DataError(
                f'one_hot(): {wrong} is not the number of a {self.level}; they are 0 to '
                f'{self.size - 1}'
            )
        array = np.zeros((*numbers.shape, self.size), kind)
        np.put_along_axis(array, numbers[..., None], 1, axis=-1)
        return array

    def _check_length(self, steps: int, streams: int) -> None:
        needed, total = steps * streams + 1, len(self.numbers)
        if total < needed:
            of = '' if streams == 1 else f' in each of {streams} streams'
            raise ShapeError(
                f'Text: windows of {steps} steps{of} need a text of {needed} {self.level}s; '
                f'it has {total}'
            )
