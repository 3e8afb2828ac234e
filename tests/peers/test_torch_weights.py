"""PyTorch's modules with random weights come in, compute the same, and take them back."""

import io

import numpy as np
import pytest
from torch_files import saved

import rnnkit

torch = pytest.importorskip('torch')
pytestmark = pytest.mark.peers

T, B, I, H = 7, 3, 3, 5  # noqa: E741
# Another implementation of the same sums in float64.
TOLERANCE = 1e-12


class Net(torch.nn.Module):
    """A recurrent module and a linear one."""

    def __init__(self, kind, **options):
        super().__init__()
        self.rec = getattr(torch.nn, kind)(I, H, **options)
        width = options.get('proj_size', H) * (2 if options.get('bidirectional') else 1)
        self.out = torch.nn.Linear(width, 2)

    def forward(self, x):
        return self.out(self.rec(x)[0])


CASES = [
    ('RNN', {}),
    ('LSTM', {}),
    ('GRU', {'bias': False}),
    ('GRU', {'num_layers': 2, 'bidirectional': True, 'batch_first': True}),
    ('LSTM', {'num_layers': 2, 'proj_size': 4}),
    ('LSTM', {'bidirectional': True, 'proj_size': 4}),
]


@pytest.mark.parametrize(('kind', 'options'), CASES, ids=str)
def test_modules_come_in_and_go_out(kind, options, rng):
    torch.manual_seed(0)
    module = Net(kind, **options).double()
    file = io.BytesIO()
    torch.save({'epoch': 3, 'state_dict': module.state_dict()}, file)
    file.seek(0)
    batch = options.get('batch_first', False)
    net = rnnkit.from_torch(file, layout='batch' if batch else 'time')
    x = rng.standard_normal((B, T, I) if batch else (T, B, I))
    with torch.no_grad():
        right = module(torch.tensor(x)).numpy()
    np.testing.assert_allclose(net.predict(x), right, atol=TOLERANCE)
    other = Net(kind, **{**options, 'bias': True}).double()
    other.load_state_dict(net.to_torch())
    with torch.no_grad():
        np.testing.assert_allclose(other(torch.tensor(x)).numpy(), right, atol=TOLERANCE)
    again = rnnkit.from_torch(other.state_dict())
    for p, q in zip(net.params, again.params, strict=True):
        np.testing.assert_array_equal(p.get_value(), q.get_value())


def test_float32_bfloat16_and_views():
    torch.manual_seed(0)
    weights = {'out.weight': torch.randn(3, 2).T[:, 1:], 'out.bias': torch.randn(2)}
    for dtype in (torch.float32, torch.bfloat16, torch.float16, torch.float64):
        state = {k: v.to(dtype) for k, v in weights.items()}
        file = io.BytesIO()
        torch.save(state, file)
        file.seek(0)
        for source in (file, state):
            net = rnnkit.from_torch(source)
            assert net.dtype == ('float64' if dtype == torch.float64 else 'float32')
            right = state['out.weight'].double().numpy().T
            np.testing.assert_array_equal(net.find('out', 'w').get_value(), right)


def test_parameters_and_shared_storages_are_read():
    linear = torch.nn.Linear(3, 3)
    file = io.BytesIO()
    torch.save({'a.weight': linear.weight, 'b.weight': linear.weight, 'b.bias': linear.bias}, file)
    file.seek(0)
    net = rnnkit.from_torch(file, [3, (3, 'linear'), 3])
    np.testing.assert_array_equal(net.find(1, 'w').get_value(), net.find(2, 'w').get_value())


def test_whole_modules_and_old_files_are_refused():
    for content, options, message in (
        (torch.nn.LSTM(2, 3), {}, 'torch.nn.modules.rnn.LSTM'),
        (torch.nn.LSTM(2, 3).state_dict(), {'_use_new_zipfile_serialization': False}, '1.6 or'),
    ):
        file = io.BytesIO()
        torch.save(content, file, **options)
        file.seek(0)
        with pytest.raises(rnnkit.FormatError, match=message):
            rnnkit.from_torch(file)


def test_files_by_hand_are_those_of_pytorch(rng):
    """What the tests without PyTorch read is what PyTorch itself reads."""
    state = {'w': rng.standard_normal((2, 3)), 'n': np.array(7), 'h': np.ones(2, np.float16)}
    found = torch.load(io.BytesIO(saved({'state': state, 'epoch': 3})), weights_only=True)
    assert found['epoch'] == 3
    for name, array in state.items():
        np.testing.assert_array_equal(found['state'][name].numpy(), array)
