"""The functions that layers call, as C that compilers turn into vectors.

Elementary functions have no branches, tables or calls. They are those of
`rnnkit.kernels.language.elementary`: one polynomial, of ``exp(r) - 1`` for
``|r| <= log(2) / 2``, and one series, of the inverse hyperbolic tangent. Errors are a few units
in the last place; NaN gives NaN, and infinity what it should. Numbers are chosen by masks of bits,
since ``?:`` may become a branch, and then a loop has no vectors. No number is rounded by adding a
large one, which ``-ffast-math`` would undo. Sums, products and softmax work on whole vectors.
"""

import math
from collections.abc import Iterable

from rnnkit.integrations.c.literals import number
from rnnkit.kernels.language.elementary import FORMATS

TEXTS = {  # each after those that it calls
    'select': """
/* Returns yes or no; both are computed, so that a loop has no branch. */
static inline real real_select(int which, real yes, real no)
{
    const @bits mask = (@bits)0 - (@bits)which;
    @bits a, b;
    real y;
    memcpy(&a, &yes, sizeof a);
    memcpy(&b, &no, sizeof b);
    a = (a & mask) | (b & ~mask);
    memcpy(&y, &a, sizeof y);
    return y;
}
""",
    'exp range': """
/* exp(x) = 2 exp(r) h, where r = real_rest(x, n) is small, h = 2^(n - 1) = real_half_power(n),
   and n = real_whole(x), for x between @low and @high, and n is anything for NaN. */
static inline real real_ranged(real x)
{
    const real least = real_select(x < @low, @low, x); /* NaN stays */
    return real_select(least > @high, @high, least);
}

static inline int32_t real_whole(real x)
{
    const real y = real_select(x > @low, x, @low) * @per_log2; /* not NaN, which no integer is */
    return (int32_t)(y + @copysign(@half, y));
}

static inline real real_rest(real x, int32_t n)
{
    const real k = (real)n;
    return (x - k * @log2_high) - k * @log2_low; /* Cody and Waite: the first one is exact */
}

static inline real real_half_power(int32_t n)
{
    const @bits bits = (@bits)(n + @bias_less) << @mantissa;
    real h;
    memcpy(&h, &bits, sizeof h);
    return h;
}

/* exp(r) - 1 for small r, accurate also where it is close to 0. */
static inline real real_expm1_small(real r)
{
    real p = @first_term;
@terms
    return p * r * r + r;
}
""",
    'exp': """
static inline real real_exp(real x)
{
    const real y = real_ranged(x);
    const int32_t n = real_whole(y);
    return (real_expm1_small(real_rest(y, n)) * @two + @two) * real_half_power(n);
}
""",
    'expm1': """
static inline real real_expm1(real x)
{
    const real y = real_ranged(x);
    const int32_t n = real_whole(y);
    const real h = real_half_power(n);
    /* 2 h may overflow */
    return (real_expm1_small(real_rest(y, n)) * h + (h - @half)) * @two;
}
""",
    'tanh': """
static inline real real_tanh(real x)
{
    const real a = @fabs(x);
    const real e = real_expm1(real_select(a > @flat, @flat, a) * @two);
    return @copysign(e / (e + @two), x);
}
""",
    'sigmoid': """
static inline real real_sigmoid(real x)
{
    return @one / (real_exp(-x) + @one);
}
""",
    'log': """
static inline real real_log(real x)
{
    const real usual = real_select((x >= @tiny) & (x < INFINITY), x, @one);
    real other = real_select(x < @tiny, -INFINITY, @zero); /* denormal numbers count as 0 */
    @bits bits;
    real m, e, s, z, p;
    other = real_select(x < @zero, NAN, other);
    other = real_select(x < INFINITY, other, x); /* also NaN */
    memcpy(&bits, &usual, sizeof bits);
    e = (real)((int32_t)(bits >> @mantissa) - @bias); /* x = m 2^e, and m is between 1 and 2 */
    bits = (bits & @mantissa_bits) | @one_bits;
    memcpy(&m, &bits, sizeof m);
    e += real_select(m > @root, @one, @zero);
    m *= real_select(m > @root, @half, @one);
    s = (m - @one) / (m + @one);
    z = s * s;
    p = @first_log;
@log_terms
    return (e * @log2_high + (e * @log2_low + (p * z * s + s * @two))) + other;
}
""",
    'log1p': """
static inline real real_log1p(real x)
{
    const real w = x + @one, d = w - @one; /* Kahan: undoes the rounding of w */
    const real divisor = real_select((d == @zero) | (w == INFINITY), @one, d);
    const real small = real_select(d == @zero, x, @zero);
    return real_log(w) * (x / divisor) + small;
}
""",
    'softplus': """
static inline real real_softplus(real x)
{
    return real_select(x < @zero, @zero, x) + real_log1p(real_exp(-@fabs(x)));
}
""",
    'sqrt': 'static inline real real_sqrt(real x)\n{\n    return @sqrt(x);\n}\n',
    'abs': 'static inline real real_abs(real x)\n{\n    return @fabs(x);\n}\n',
    'erf': 'static inline real real_erf(real x)\n{\n    return @erf(x);\n}\n',
    'erfc': 'static inline real real_erfc(real x)\n{\n    return @erfc(x);\n}\n',
    'sign': """
static inline real real_sign(real x)
{
    /* 0 and NaN stay */
    return real_select(x < @zero, -@one, real_select(x > @zero, @one, x));
}
""",
    'max': """
static inline real real_max(real a, real b)
{
    return real_select((b != b) | (a < b), b, a); /* NaN if either is */
}
""",
    'min': """
static inline real real_min(real a, real b)
{
    return real_select((b != b) | (a > b), b, a);
}
""",
    'sum of': """
/* The sum of n numbers, by 8 partial sums. */
static real real_sum_of(const real *x, int n)
{
    real part[8] = {@zero, @zero, @zero, @zero, @zero, @zero, @zero, @zero};
    int i = 0, k;
    for (; i + 8 <= n; i += 8)
        for (k = 0; k < 8; ++k)
            part[k] += x[i + k];
    for (k = 0; i < n; ++i, ++k)
        part[k] += x[i];
    return ((part[0] + part[1]) + (part[2] + part[3]))
           + ((part[4] + part[5]) + (part[6] + part[7]));
}
""",
    'prod of': """
static real real_prod_of(const real *x, int n)
{
    real y = @one;
    int i;
    for (i = 0; i < n; ++i)
        y *= x[i];
    return y;
}
""",
    'max of': """
static real real_max_of(const real *x, int n)
{
    real y = x[0];
    int i;
    for (i = 1; i < n; ++i)
        y = real_max(y, x[i]);
    return y;
}
""",
    'min of': """
static real real_min_of(const real *x, int n)
{
    real y = x[0];
    int i;
    for (i = 1; i < n; ++i)
        y = real_min(y, x[i]);
    return y;
}
""",
    'softmax': """
static void real_softmax(real *restrict y, const real *restrict x, int n)
{
    const real most = real_max_of(x, n);
    real scale;
    int i;
    for (i = 0; i < n; ++i)
        y[i] = real_exp(x[i] - most);
    scale = @one / real_sum_of(y, n);
    for (i = 0; i < n; ++i)
        y[i] *= scale;
}
""",
    'add_product': """
/* y += x w, where w is a matrix of so many rows and columns; 8 rows at a time. */
static inline void add_product(real *restrict y, const real *restrict x, const real *restrict w,
                               int rows, int columns)
{
    int i = 0, j;
    for (; i + 8 <= rows; i += 8, w += 8 * columns) {
        const real a = x[i], b = x[i + 1], c = x[i + 2], d = x[i + 3];
        const real e = x[i + 4], f = x[i + 5], g = x[i + 6], h = x[i + 7];
        for (j = 0; j < columns; ++j) {
            real sum = y[j] + a * w[j];
            sum += b * w[j + columns];
            sum += c * w[j + 2 * columns];
            sum += d * w[j + 3 * columns];
            sum += e * w[j + 4 * columns];
            sum += f * w[j + 5 * columns];
            sum += g * w[j + 6 * columns];
            sum += h * w[j + 7 * columns];
            y[j] = sum;
        }
    }
    for (; i < rows; ++i, w += columns)
        for (j = 0; j < columns; ++j)
            y[j] += x[i] * w[j];
}
""",
}
NEEDS = {  # what each calls
    'exp range': ['select'],
    'expm1': ['exp range'],
    'exp': ['exp range'],
    'log': ['select'],
    'sign': ['select'],
    'max': ['select'],
    'min': ['select'],
    'tanh': ['expm1'],
    'sigmoid': ['exp'],
    'log1p': ['log'],
    'softplus': ['exp', 'log1p'],
    'max of': ['max'],
    'min of': ['min'],
    'softmax': ['exp', 'max of', 'sum of'],
}


def texts(functions: Iterable[str], dtype: str) -> str:
    """Return the definitions of some functions, and of those that they need, in order.

    Parameters
    ----------
    functions : iterable of str
        Names of operations.
    dtype : {'float32', 'float64'}
    """
    needed: set[str] = set()
    waiting = list(functions)
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            waiting += NEEDS.get(name, [])
    text = '\n'.join(text.strip('\n') + '\n' for name, text in TEXTS.items() if name in needed)
    words = _words(dtype)
    for word in sorted(words, key=len, reverse=True):
        text = text.replace(f'@{word}', words[word])
    return text


def _words(dtype: str) -> dict[str, str]:
    """Return what stands for each word with an @: constants and functions of a format."""
    bits = 32 if dtype == 'float32' else 64
    f = FORMATS[bits]
    end = 'f' if bits == 32 else ''
    series = [1 / math.factorial(k) for k in range(f.terms, 1, -1)]
    logs = [2 / (2 * k + 1) for k in range(f.log_terms, 0, -1)]
    numbers = {
        'zero': 0.0,
        'half': 0.5,
        'one': 1.0,
        'two': 2.0,
        'low': f.low,
        'high': f.high,
        'flat': f.flat,
        'per_log2': 1 / math.log(2),
        'log2_high': f.log2_high,
        'log2_low': f.log2_low,
        'root': math.sqrt(2),
        'tiny': 2.0 ** -(f.bias - 1),
        'first_term': series[0],
        'first_log': logs[0],
    }
    words = {name: number(value, dtype) for name, value in numbers.items()}
    words |= {name: f'{name}{end}' for name in ('fabs', 'copysign', 'sqrt', 'erf', 'erfc')}
    integer = f'uint{bits}_t'
    return words | {
        'bits': integer,
        'bias': str(f.bias),
        'bias_less': str(f.bias - 1),
        'mantissa': str(f.integer),
        'mantissa_bits': f'({integer})0x{(1 << f.integer) - 1:x}',
        'one_bits': f'({integer})0x{f.bias << f.integer:x}',
        'terms': _horner(series[1:], 'r', dtype),
        'log_terms': _horner(logs[1:], 'z', dtype),
    }


def _horner(coefficients: list[float], x: str, dtype: str) -> str:
    return '\n'.join(f'    p = p * {x} + {number(c, dtype)};' for c in coefficients)
