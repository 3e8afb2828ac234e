"""Models that PyTorch exports to ONNX come in, and compute the same."""

import io
import warnings

import numpy as np
import pytest
from onnx_graphs import forms

import rnnkit

pytest.importorskip('onnx')
torch = pytest.importorskip('torch')
pytestmark = pytest.mark.peers


def exported(model, *arrays):
    """Return the network in the file that PyTorch writes, for any lengths."""
    file = io.BytesIO()
    names = [f'x{k}' for k in range(len(arrays))]
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # of the exporter, which is the older one
        torch.onnx.export(
            model,
            tuple(map(torch.as_tensor, arrays)),
            file,
            dynamo=False,
            opset_version=17,
            input_names=names,
            dynamic_axes={name: {0: f'{name}_0', 1: f'{name}_1'} for name in names},
        )
    return rnnkit.from_onnx(io.BytesIO(file.getvalue()))


def compare(model, net, *arrays):
    with torch.no_grad():
        expected = model(*map(torch.as_tensor, arrays)).numpy()
    found = getattr(net, 'predict_proba', net.predict)(arrays[0] if len(arrays) == 1 else arrays)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


class Tagger(torch.nn.Module):
    """An embedding, recurrent layers, and the head of a classifier."""

    def __init__(self, kind, last, **options):
        super().__init__()
        self.embedding = torch.nn.Embedding(7, 3)
        self.cells = getattr(torch.nn, kind)(3, 4, **options)
        width = 8 if options.get('bidirectional') else 4
        self.norm, self.dropout = torch.nn.LayerNorm(width), torch.nn.Dropout(0.5)
        self.head = torch.nn.Sequential(
            torch.nn.Linear(width, 5), torch.nn.SiLU(), torch.nn.Linear(5, 2)
        )
        self.last, self.first = last, options.get('batch_first', False)

    def forward(self, x):
        y, h = self.cells(self.embedding(x))
        if self.last == 'step':
            y = y[:, -1] if self.first else y[-1]
        elif self.last == 'state':
            h = h[0] if isinstance(h, tuple) else h
            y = torch.cat([h[-2], h[-1]], -1) if self.head[0].in_features == 8 else h[-1]
        elif self.last:
            y = getattr(y, self.last)(1 if self.first else 0)
        return torch.softmax(self.head(self.dropout(self.norm(y))), -1)


@pytest.mark.parametrize('options', [{}, dict(batch_first=True), dict(bidirectional=True)])
@pytest.mark.parametrize('last', ['', 'step', 'state', 'mean', 'amax'])
@pytest.mark.parametrize('kind', ['LSTM', 'GRU', 'RNN'])
def test_classifiers(rng, kind, last, options):
    torch.manual_seed(0)
    model = Tagger(kind, last, num_layers=2, **options).eval()
    net = exported(model, rng.integers(0, 7, (5, 2)))
    assert isinstance(net, rnnkit.Classifier)
    assert net.layout == ('batch' if options.get('batch_first') else 'time')
    compare(model, net, rng.integers(0, 7, (3, 4)))


class Translator(torch.nn.Module):
    """A decoder that starts from the state of an encoder."""

    def __init__(self):
        super().__init__()
        self.encoder, self.decoder = torch.nn.LSTM(3, 4, 2), torch.nn.LSTM(2, 4, 2)
        self.head = torch.nn.Linear(4, 2)

    def forward(self, x, z):
        _, state = self.encoder(x)
        return self.head(self.decoder(z, state)[0])


def test_an_encoder_and_a_decoder(rng):
    torch.manual_seed(0)
    model = Translator().eval()
    x, z = (rng.standard_normal(s).astype('float32') for s in ((5, 2, 3), (4, 2, 2)))
    net = exported(model, x, z)
    assert forms(net) == ['input', 'lstm', 'lstm', 'lstm', 'lstm', 'feedforward']
    compare(model, net, x, z)
