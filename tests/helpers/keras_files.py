"""Files of Keras 3 written by hand: models and their weights, without Keras."""

import io
import json
import zipfile

import numpy as np


def layer(kind, name, **config):
    """Return the description of a layer."""
    return {'module': 'keras.layers', 'class_name': kind, 'config': {'name': name, **config}}


def sequential(*layers, shape):
    """Return the description of a Sequential model."""
    first = layer('InputLayer', 'input_layer', batch_shape=shape, dtype='float32', sparse=False)
    return {'class_name': 'Sequential', 'config': {'name': 'model', 'layers': [first, *layers]}}


def functional(*layers, shape, reads=None, masks=None):
    """Return the description of a functional model; `reads` are the layers that each one reads."""
    described = sequential(*layers, shape=shape)['config']['layers']
    names = [one['config']['name'] for one in described]
    for k, one in enumerate(described):
        before = [names[k - 1]] if k else []
        sources = (reads or {}).get(names[k], before)
        kwargs = {'mask': tensor(masks[names[k]])} if masks and names[k] in masks else {}
        nodes = [{'args': [tensor(name) for name in sources], 'kwargs': kwargs}] if sources else []
        one |= {'name': names[k], 'inbound_nodes': nodes}
    return {'class_name': 'Functional', 'config': {'name': 'model', 'layers': described}}


def tensor(name):
    return {
        'class_name': '__keras_tensor__',
        'config': {'shape': [None, None], 'dtype': 'float32', 'keras_history': [name, 0, 0]},
    }


def hdf5(groups, change=None):
    """Return a file of weights; `groups` are lists of arrays by the path of a layer's group."""
    import h5py

    file = io.BytesIO()
    with h5py.File(file, 'w') as out:
        out.create_group('vars')
        out.create_group('layers')
        for path, arrays in groups.items():
            inner = out.create_group(f'layers/{path}/vars')
            for k, array in enumerate(arrays):
                inner.create_dataset(str(k), data=np.asarray(array))
        if change is not None:
            change(out)
    return file.getvalue()


def keras(config, groups, compress=False, change=None):
    """Return a file ``.keras``."""
    file = io.BytesIO()
    how = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
    with zipfile.ZipFile(file, 'w', how) as out:
        out.writestr('metadata.json', json.dumps({'keras_version': '3.15.1'}))
        out.writestr('config.json', json.dumps(config))
        out.writestr('model.weights.h5', hdf5(groups, change))
    return file.getvalue()
