"""
Tune hyperparameters
====================

Which cell, how many units, what learning rate, how much dropout? A random search tries settings,
compares them on validation data, and measures the best one on test data. The lines that one would
copy:

.. code-block:: python

    for _ in range(12):
        setting = draw()  # a dict of random hyperparameters
        layers = [1, (setting['form'], setting['size']), 'last', 3]
        net = rnnkit.Classifier(layers, masked=True, seed=0)
        _, result = net.train(train, valid, learning_rate=setting['rate'])
        trials.append((result['loss'], setting, net))
    loss, setting, net = min(trials, key=lambda trial: trial[0])

The task is to name the form of noisy waves: sine, square or sawtooth.
"""

import matplotlib.pyplot as plt
import numpy as np

import rnnkit


def waves(n, seed):
    sequences, names = rnnkit.datasets.waves(n, seed=seed, noise=0.6)
    return list(sequences), names


train, valid, test = waves(300, 0), waves(200, 1), waves(500, 2)

# %%
# A plain loop
# ------------
#
# Learning rates and sizes are drawn on a logarithmic scale: 0.001 and 0.002 differ as much as 0.01
# and 0.02. Early stopping ends a trial that no longer improves, and ``train`` returns the loss of
# its best validation. Another learning rate, size or dropout rate compiles nothing.

rng = np.random.default_rng(0)


def draw():
    return {
        'form': str(rng.choice(['rnn', 'gru', 'lstm'])),
        'size': int(2 ** rng.uniform(2, 5)),
        'rate': 10 ** rng.uniform(-4, -1),
        'dropout': rng.uniform(0, 0.5),
    }


def fit(setting):
    cell = dict(form=setting['form'], size=setting['size'])
    layers = [1, cell, ('dropout', setting['dropout']), 'last', 3]
    classes = ['sine', 'square', 'sawtooth']
    net = rnnkit.Classifier(layers, classes=classes, masked=True, seed=0)
    options = dict(epochs=40, validate_every=1, patience=8, progress=False)
    _, result = net.train(
        train, valid, algo='adam', learning_rate=setting['rate'], **options
    )
    return net, result


trials = []
for _ in range(16):
    setting = draw()
    net, result = fit(setting)
    trials.append((result['loss'], setting, net))

for loss, s, net in sorted(trials, key=lambda trial: trial[0])[:5]:
    print(
        f'loss {loss:.3f}: {s["form"]} {s["size"]}, learning rate {s["rate"]:.4f}, '
        f'dropout {s["dropout"]:.2f}, {len(net.history)} epochs'
    )

# %%
# The test, once
# --------------
#
# The best of many trials looks better on the validation data than it is, because it was chosen by
# them. An honest figure needs data that no trial has seen:

loss, setting, net = min(trials, key=lambda trial: trial[0])
default, _ = fit({'form': 'lstm', 'size': 16, 'rate': 0.001, 'dropout': 0.0})
for name, some in (('best of 16', net), ('without a search', default)):
    on_valid, on_test = [np.mean(some.predict(x) == y) for x, y in (valid, test)]
    print(
        f'{name}: accuracy {on_valid:.3f} on validation, {on_test:.3f} on test data'
    )
shares = [np.mean(test[1] == name) for name in set(test[1])]
print(f'most frequent class: {max(shares):.3f}')

# %%
# The learning rate matters most, and each cell has a range of its own:

figure, axes = plt.subplots(figsize=(7, 3.8), layout='constrained')
for form, marker in (('rnn', 's'), ('gru', 'o'), ('lstm', '^')):
    own = [
        (s['rate'], loss, s['size']) for loss, s, _ in trials if s['form'] == form
    ]
    rates, losses, sizes = zip(*own, strict=True)
    axes.scatter(
        rates,
        losses,
        s=[8 * n for n in sizes],
        marker=marker,
        alpha=0.6,
        label=form,
    )
axes.scatter(
    setting['rate'], loss, s=350, facecolors='none', edgecolors='k', label='best'
)
axes.axhline(np.log(3), color='0.4', ls='--', lw=1, label='chance')
axes.set(xscale='log', xlabel='learning rate', ylabel='validation loss, nats')
axes.set_title('A larger mark has more units', fontsize='medium')
figure.legend(loc='outside right center', labelspacing=1.2)
plt.show()

# %%
# Optuna
# ------
#
# With many hyperparameters or long trainings, `Optuna <https://optuna.org>`_ chooses the next
# setting by the results so far, and ends trials that do not look promising
# (``pip install 'rnnkit[optuna]'``):
#
# .. code-block:: python
#
#     import optuna
#     from rnnkit.integrations.optuna import PruningCallback
#
#     def objective(trial):
#         size = trial.suggest_int('size', 4, 32, log=True)
#         rate = trial.suggest_float('rate', 1e-4, 1e-1, log=True)
#         net = rnnkit.Classifier([1, ('gru', size), 'last', 3], masked=True, seed=0)
#         _, result = net.train(
#             train, valid, algo='adam', learning_rate=rate, epochs=40, validate_every=1,
#             callbacks=PruningCallback(trial),
#         )
#         return result['loss']
#
#     study = optuna.create_study(pruner=optuna.pruners.MedianPruner())
#     study.optimize(objective, n_trials=30)
#     study.best_params

# %%
# Next
# ----
# :doc:`/tune` for scikit-learn's searches, Optuna on several machines and what compiles when;
# :doc:`scikit_learn`; :doc:`/regularization`; :doc:`/cells`.
