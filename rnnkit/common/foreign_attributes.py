"""Attributes and methods of networks of other libraries, and what there is in rnnkit instead.

They only make hints, when a network does not have an attribute; see `foreign_names`.
"""

PARAMS = 'net.params is the list of parameters, net.find(layer, name) is one of them'
VALUES = '{p.name: p.get_value() for p in net.params} are the values, net.save(path) writes them'
SET = "net.set('hid1', 'xh', array) changes a parameter, rnnkit.load(path) reads a network"
_FILE = 'net.save(path) writes a network, rnnkit.load(path) reads it'
_TRAIN = 'write net.train([x, y])'
_PREDICT = 'write net.predict(x)'
_NO_STATE = 'a network keeps no state between calls; pass state= to predict() and step()'
_MODE = 'there are no modes; dropout and noise are active in train() alone'
_GRADIENTS = 'train() computes gradients and updates; itertrain() yields after each epoch'
OUTPUTS = 'net.feed_forward(x) returns the outputs of all layers'
_OPTION = 'it is an option of a training: net.train([x, y], epochs=10)'
_CPU = 'rnnkit is made for CPUs'
_LAYERS = "write the layers as a list: rnnkit.Regressor([3, ('lstm', 10), 1])"
_SPEC = 'net.to_spec() returns a dict, rnnkit.from_spec(spec) builds a network from it'

ATTRIBUTES = {
    **dict.fromkeys(('fit', 'fit_generator', 'partial_fit', 'train_on_batch', 'learn'), _TRAIN),
    'train_step': _GRADIENTS,
    'training_step': _GRADIENTS,
    'zero_grad': _GRADIENTS,
    'backward': _GRADIENTS,
    'compile': "there is nothing to compile; write net.train([x, y], algo='adam'), and the loss "
    "with the layers: rnnkit.Regressor(layers, loss='mae')",
    'optimizer': "the update rule is an option of a training: net.train([x, y], algo='adam')",
    **dict.fromkeys(('forward', 'call', 'apply', 'predict_on_batch', 'predict_classes'), _PREDICT),
    'predict_proba': 'it is for rnnkit.Classifier; predict() returns the outputs of this network',
    'predict_log_proba': 'a classifier has predict_logit(x), its logits',
    'predict_logit': 'it is for rnnkit.Classifier; predict() returns the outputs of this network',
    'classify': 'it is for rnnkit.Classifier; predict() returns the outputs of this network',
    **dict.fromkeys(('transform', 'fit_transform'), OUTPUTS),
    'fit_predict': 'write net.train([x, y]), and then net.predict(x)',
    **dict.fromkeys(('decision_function', 'score_samples'), 'a classifier has predict_proba(x)'),
    **dict.fromkeys(('evaluate_generator', 'test', 'validate'), 'write net.evaluate(x, y)'),
    **dict.fromkeys(('predict_generator', 'infer', 'inference', 'run'), _PREDICT),
    **dict.fromkeys(('trainable', 'requires_grad_'), "write net.freeze('hid1')"),
    **dict.fromkeys(('learning_rate', 'lr', 'epochs', 'batch_size'), _OPTION),
    **dict.fromkeys(('loss_', 'best_loss_', 'n_iter_'), "write net.history['loss']"),
    'metrics': "monitors are an option of a training: net.train([x, y], monitors='r2')",
    'encode': 'it is for rnnkit.Autoencoder; net.feed_forward(x) returns the outputs of all layers',
    'decode': 'it is for rnnkit.Autoencoder',
    'generate': 'it is for rnnkit.Regressor and rnnkit.Classifier',
    'sample': 'net.generate(seed, steps) continues a sequence',
    **dict.fromkeys(
        (
            'parameters',
            'named_parameters',
            'get_params',
            'get_all_params',
            'trainable_weights',
            'trainable_variables',
            'weights',
            'variables',
            'coefs_',
        ),
        PARAMS,
    ),
    **dict.fromkeys(('get_param_values', 'get_values'), VALUES),
    'state_dict': 'net.to_torch() is one for PyTorch; net.save(path) writes a network',
    'get_weights': 'net.to_keras() is the list for Keras; net.save(path) writes a network',
    'load_state_dict': 'rnnkit.from_torch(state_dict, layers) builds a network from it; '
    'net.load_weights(source) takes over parameters of another network',
    'set_weights': 'rnnkit.from_keras(weights, layers) builds a network from those of Keras; '
    'net.load_weights(source) takes over parameters of another network',
    **dict.fromkeys(
        ('export', 'save_onnx', 'to_tflite', 'to_torchscript'),
        'net.to_onnx(path) writes an ONNX file, and net.to_c(folder) C',
    ),
    **dict.fromkeys(('set_params', 'set_param_values', 'set_value'), SET),
    **dict.fromkeys(('save_weights', 'save_params', 'save_model', 'load_model'), _FILE),
    'load_params': 'net.load_weights(source) takes over parameters of a file or another network',
    'eval': _MODE,
    'training': _MODE,
    **dict.fromkeys(('to', 'cuda', 'cpu', 'device'), _CPU),
    **dict.fromkeys(('half', 'float', 'double'), "write dtype='float64' when it is made"),
    **dict.fromkeys(('reset_states', 'reset_state', 'init_hidden', 'hidden'), _NO_STATE),
    'get_layer': 'net.layers is the list of layers, net.find(layer, name) is a parameter',
    'modules': 'net.layers is the list of layers',
    'children': 'net.layers is the list of layers',
    'add': _LAYERS,
    'pop': _LAYERS,
    'get_config': _SPEC,
    'from_config': _SPEC,
    'to_json': _SPEC,
    'get_spec': _SPEC,
    'count_params': 'write net.num_params',
    'n_params': 'write net.num_params',
    'size': 'net.num_params is the number of parameters',
    'history_': 'write net.history',
    'loss_curve_': "write net.history['loss']",
    'callbacks': 'callbacks are an option of a training: net.train([x, y], callbacks=...)',
    'n_layers': 'write len(net.layers)',
    'output_shape': 'net.summary() shows the sizes of the outputs',
    'input_shape': 'net.summary() shows the sizes of the outputs',
    'monitors': "monitors are an option of a training: net.train([x, y], monitors='r2')",
}

_FORECAST = 'write forecaster.forecast()'
_BACKTEST = 'write forecaster.backtest(), which forecasts the ends of the series'
_INTERVALS = 'intervals are an option: forecaster.forecast(level=(80, 95))'

OF_FORECASTERS = {
    **dict.fromkeys(('predict', 'forward', 'generate', 'make_future_dataframe'), _FORECAST),
    **dict.fromkeys(('train', 'itertrain', 'fit_predict'), 'write forecaster.fit(y)'),
    **dict.fromkeys(('score', 'evaluate', 'cross_validation', 'historical_forecasts'), _BACKTEST),
    **dict.fromkeys(('predict_interval', 'predict_quantiles', 'conf_int'), _INTERVALS),
    'partial_fit': 'forecaster.update(y) adds values without training; with warm_start=True '
    'fit(y) trains further',
    'sample': 'write forecaster.forecast(samples=100)',
    'step': 'forecaster.stepper() forecasts after each value of a stream',
    **dict.fromkeys(('net', 'network', 'model'), 'forecaster.networks is the list of networks'),
    'history': 'forecaster.networks[0].history is that of a network',
}
