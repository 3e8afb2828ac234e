"""
In scikit-learn
===============

Estimators for sequences of any lengths work in pipelines, cross-validation and grid searches, and
with the metrics of scikit-learn. The lines that one would copy:

.. code-block:: python

    from rnnkit.sklearn import SequenceClassifier, SequenceScaler

    model = make_pipeline(SequenceScaler(), SequenceClassifier((('gru', 16),)))
    model.fit(X, y).predict(X_new)  # X: a list of arrays (T_i, I); y: their labels
    cross_val_score(model, X, y, cv=4)

The layers are the hidden ones only: an estimator adds the input and the output.

The task is to name the form of noisy waves of 20 to 60 steps: sine, square or sawtooth. Baselines
are the most frequent class, and a random forest on the mean, the deviation and other summaries of
each wave.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import ConfusionMatrixDisplay
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline

import rnnkit
from rnnkit.sklearn import SequenceClassifier, SequenceRegressor, SequenceScaler

sequences, names = rnnkit.datasets.waves(400, seed=0)
X, X_test, y, y_test = train_test_split(
    sequences, names, test_size=100, stratify=names, random_state=0
)
print(len(X), X[0].shape, X[1].shape, y[:2].tolist())

# %%
# Cross-validation of a pipeline
# ------------------------------
#
# ``SequenceScaler`` gives each feature mean 0 and deviation 1 over all steps of the training folds.
# It also works before other estimators; a `rnnkit.sklearn.SequenceClassifier` alone scales inside
# its network.

model = make_pipeline(
    SequenceScaler(),
    SequenceClassifier((('gru', 16),), epochs=40, batch_size=32, random_state=0),
)
scores = cross_val_score(model, X, y, cv=4)
print(f'accuracy in 4 folds: {scores.round(2)}, mean {scores.mean():.2f}')

# %%
# A grid search
# -------------
#
# Parameters of a step have its name in front, as everywhere in scikit-learn. All candidates with
# the same layers share one compiled network, so another fold or learning rate compiles nothing.

grid = {
    'sequenceclassifier__layers': [(('gru', 16),), (('lstm', 16),)],
    'sequenceclassifier__learning_rate': [0.003, 0.01],
}
search = GridSearchCV(model, grid, cv=3).fit(X, y)
for params, score in zip(
    search.cv_results_['params'], search.cv_results_['mean_test_score'], strict=True
):
    layers, rate = params.values()
    print(f'{layers}, learning rate {rate}: {score:.3f}')

# %%
# Test data, and the baselines
# ----------------------------
#
# The best of several settings looks better than it is in its own cross-validation. So the test data
# are used once, at the end. ``search`` has been fitted again on all of X, with the best setting.


def summaries(X):
    """Return mean, deviation, extremes and mean change of each sequence."""
    steps = [np.abs(np.diff(x[:, 0])) for x in X]
    return [
        [x.mean(), x.std(), x.min(), x.max(), d.mean()]
        for x, d in zip(X, steps, strict=True)
    ]


forest = RandomForestClassifier(random_state=0).fit(summaries(X), y)
print(f'most frequent class: {max(np.mean(y_test == name) for name in set(y)):.2f}')
print(f'random forest:       {forest.score(summaries(X_test), y_test):.2f}')
print(f'network:             {search.score(X_test, y_test):.2f}')

figure, axes = plt.subplots(figsize=(5.5, 4.5), layout='constrained')
ConfusionMatrixDisplay.from_estimator(
    search, X_test, y_test, cmap='Blues', colorbar=False, ax=axes
)
axes.set(xlabel='predicted form', ylabel='true form', title='100 test waves')
plt.show()

# %%
# Regression
# ----------
#
# A `rnnkit.sklearn.SequenceRegressor` predicts numbers, one or more for each sequence, or for each
# step. Its default score is R². Here it counts how often a wave crosses 0 from below:

clean, _ = rnnkit.datasets.waves(400, seed=1, noise=0)
counts = np.array([np.sum((x[1:] > 0) & (x[:-1] <= 0)) for x in clean], float)
regressor = SequenceRegressor(
    (('gru', 16),), epochs=60, batch_size=32, random_state=0
)
regressor.fit(clean[:300], counts[:300])
lengths = np.array([len(x) for x in clean], float)
slope = np.polyfit(lengths[:300], counts[:300], 1)
left = np.sum((counts[300:] - np.polyval(slope, lengths[300:])) ** 2)
total = np.sum((counts[300:] - counts[300:].mean()) ** 2)
print(f'R² of the length alone: {1 - left / total:.2f}')
print(f'R² of the network:      {regressor.score(clean[300:], counts[300:]):.2f}')

# %%
# Next
# ----
# :doc:`/sklearn` for early stopping, sample weights, targets at each step, features for other
# models; :doc:`tune` for a random search; :doc:`/classify`.
