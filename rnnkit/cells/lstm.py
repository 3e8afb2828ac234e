"""Long short-term memory."""

from typing import NamedTuple

from pytensor.tensor import TensorVariable

from rnnkit import activations
from rnnkit.cells.base import Cell, cells
from rnnkit.cells.chrono import chrono, longest_span
from rnnkit.cells.layer_norm import normalized, scaled
from rnnkit.common.checks import flag, optional_real
from rnnkit.common.checks import size as size_of
from rnnkit.common.tensors import affine, clipped, split


class LSTMState(NamedTuple):
    """State of the LSTM."""

    h: TensorVariable  # (B, H), or projected (B, P), the hidden state, which is the output
    c: TensorVariable  # (B, H), the cell state


PEEPHOLES = ('ci', 'cf', 'co')
NORMS = ('gx', 'gh', 'gc', 'bc')  # the parameters of layer normalization


@cells.add('lstm')
class LSTMCell(Cell):
    r"""Long short-term memory with a forget gate.

    .. math::
        (i, f, g, o) &= x_t W_{xh} + h_{t-1} W_{hh} + b \\
        c_t &= \sigma(f) c_{t-1} + \sigma(i) \phi(g) \\
        h_t &= \sigma(o) \phi(c_t)

    With peepholes, the gates read the cell state: :math:`w_{ci} c_{t-1}` is added to i,
    :math:`w_{cf} c_{t-1}` to f and :math:`w_{co} c_t` to o, elementwise.

    With coupled gates there is no f, and the blocks are i g o:
    :math:`c_t = (1 - \sigma(i)) c_{t-1} + \sigma(i) \phi(g)`.

    With ``layernorm=True``, three vectors are normalized, each over all of its elements, here
    written N, and multiplied by a gain:

    .. math::
        (i, f, g, o) &= g_x N(x_t W_{xh}) + g_h N(h_{t-1} W_{hh}) + b \\
        h_t &= \sigma(o) \phi(g_c N(c_t) + b_c)

    So the four gates are normalized together, the input apart from the state, and the next step
    reads :math:`c_t` as it is. This is the form of the paper, whose three biases of the gates are
    one here, and of Haste. TensorFlow Addons, and the scripted LSTM among PyTorch's benchmarks,
    carry the normalized cell state; TensorFlow 1's LayerNormBasicLSTMCell did so, too, and
    normalized the sum of both products for each gate by itself. Weights of one form cannot be used
    in the other. PyTorch's nn.LSTM and Keras have none. N adds :math:`10^{-5}` to the variance.
    Gains start at 1.

    The bias of the forget gate starts at 1 (Jozefowicz et al. 2015, ICML); with coupled gates,
    that of the input gate starts at -1, which is the same. Peephole weights start at 0.

    Parameters
    ----------
    activation : str or callable
        The function :math:`\phi`.
    gate_activation : str or callable
        The function :math:`\sigma` of the gates: 'sigmoid', or 'hard_sigmoid' and so on.
    peepholes : bool
        Whether to add the peephole weights ci, cf and co.
    coupled : bool
        Whether the forget gate is 1 minus the input gate, as with ONNX's ``input_forget=1``.
    clip : float, optional
        Clip i, f, g and o to [-clip, clip] before their activations, peepholes included, as
        ONNX's ``clip`` does. Where they are outside, their gradient is 0.
    cell_clip : float, optional
        Clip the new cell state :math:`c_t` to [-cell_clip, cell_clip], before the output gate
        and the next step read it, as TensorFlow's ``cell_clip`` does.
    projection : int, optional
        The number P of units that the hidden state has after a projection,
        :math:`h_t = (\sigma(o) \phi(c_t)) W_{hr}`, as with PyTorch's ``proj_size``. The
        output then has P features, ``hh`` the shape (P, 4H) and ``hr`` (H, P). With `layernorm`,
        the projected h is not normalized.
    layernorm : bool
        Whether to normalize both products and the cell state. The gains are ``gx`` and ``gh``
        (4H,) and ``gc`` (H,), and there is the bias ``bc`` (H,). The layer needs 2 units.
    t_max : int, optional
        The number of steps over which the longest dependencies reach, at least 3. The bias of f
        then starts at :math:`\log(U(1, t_{max} - 1))` and that of i at its negative (in place of
        draws, there are the quantiles of the distribution). With `coupled`, i alone has it. An
        initial value for ``b`` besides is an error.

    References
    ----------
    Hochreiter & Schmidhuber 1997, Neural Computation 9(8); Gers et al. 2000, Neural
    Computation 12(10); with peepholes, Graves 2013, arXiv:1308.0850, equations 7-11; with coupled
    gates, Greff et al. 2017, IEEE TNNLS 28(10), section III; with a clipped cell state or a
    projection, Sak et al. 2014, Interspeech; with layer normalization, Ba et al. 2016,
    arXiv:1607.06450, supplementary material; for ``t_max``, Tallec & Ollivier 2018,
    arXiv:1804.11188.
    """

    state = LSTMState
    gates = 'ifgo'  # column blocks of xh, hh and b, as in PyTorch; ONNX has iofc
    params = {
        'xh': ('I', '4H'),
        'hh': ('H', '4H'),
        'b': ('4H',),
        'ci': ('H',),
        'cf': ('H',),
        'co': ('H',),
        'gx': ('4H',),
        'gh': ('4H',),
        'gc': ('H',),
        'bc': ('H',),
    }
    initial = {'b': {'f': 1.0}}
    options = {
        'activation': 'tanh',
        'gate_activation': 'sigmoid',
        'peepholes': False,
        'coupled': False,
        'clip': None,
        'cell_clip': None,
        'projection': None,
        'layernorm': False,
        't_max': None,
    }
    start_options = {'t_max': 'b'}

    def setup(self):
        self.phi = activations.build(self.activation)
        self.sigma = activations.build(self.gate_activation)
        self.peepholes = flag('lstm: peepholes', self.peepholes)
        self.coupled = flag('lstm: coupled', self.coupled)
        self.clip = optional_real('lstm: clip', self.clip, above=0)
        self.cell_clip = optional_real('lstm: cell_clip', self.cell_clip, above=0)
        self.layernorm = flag('lstm: layernorm', self.layernorm)
        self.t_max = longest_span('lstm: t_max', self.t_max)
        self._choose_params()

    def _choose_params(self) -> None:
        """Leave out the parameters of options that are not used, and set their initial values."""
        left_out = {*(() if self.peepholes else PEEPHOLES), *(() if self.layernorm else NORMS)}
        if self.coupled:
            self.gates, self.initial = 'igo', {'b': {'i': -1.0}}
            left_out.add('cf')
        if self.t_max is not None:
            forget = {} if self.coupled else {'f': chrono(self.t_max)}
            self.initial = {'b': {'i': chrono(self.t_max, sign=-1), **forget}}
        blocks = f'{len(self.gates)}H'
        self.params = {
            name: tuple(blocks if axis == '4H' else axis for axis in axes)
            for name, axes in self.params.items()
            if name not in left_out
        }
        if self.layernorm:
            self.smallest = 2  # the deviation of one unit is 0
            self.initial = {**self.initial, 'gx': 1.0, 'gh': 1.0, 'gc': 1.0}
        if self.projection is not None:
            self.projection = size_of('lstm: projection', self.projection)
            self.params = {**self.params, 'hh': ('P', blocks), 'hr': ('H', 'P')}
            self.initial, self.axes = {**self.initial, 'hr': 'glorot'}, {'h': 'P'}

    @property
    def has_own_projection(self):
        """Whether the bias is left to `step`, which normalizes the product first."""
        return self.layernorm

    def project(self, x, p):
        return affine(x, p.xh) if self.layernorm else super().project(x, p)

    def lengths(self, size):
        return {'H': size, 'P': self.projection or size}

    def step(self, z, s, p):  # z: (B, 4H), or (B, 3H) with coupled gates
        blocks = self._sums(z, s.h @ p.hh, p)
        i, g, o = blocks[0], blocks[-2], blocks[-1]
        f = None if self.coupled else blocks[1]
        if self.peepholes:
            i, f = i + p.ci * s.c, None if self.coupled else f + p.cf * s.c
        i = self.sigma(clipped(i, self.clip))
        f = 1 - i if self.coupled else self.sigma(clipped(f, self.clip))
        c = clipped(f * s.c + i * self.phi(clipped(g, self.clip)), self.cell_clip)
        if self.peepholes:
            o = o + p.co * c
        shown = normalized([c])[0] * p.gc + p.bc if self.layernorm else c
        h = self.sigma(clipped(o, self.clip)) * self.phi(shown)
        return LSTMState(h=h if self.projection is None else h @ p.hr, c=c)

    def _sums(self, z, product, p):
        """Return the blocks of the input and of the state, added."""
        n = len(self.gates)
        if not self.layernorm:
            return split(z + product, n)
        # Not in `project`: outside of the loop's kernel this took two fifths of an update's time.
        parts = (scaled(split(a, n), gain, [n]) for a, gain in ((z, p.gx), (product, p.gh)))
        return [x + h + b for x, h, b in zip(*parts, split(p.b, n), strict=True)]
