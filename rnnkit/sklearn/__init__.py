"""scikit-learn estimators: recurrent networks in pipelines, searches and stacks.

``pip install 'rnnkit[sklearn]'`` installs what this package needs. `rnnkit` itself never imports
scikit-learn.

>>> import numpy as np
>>> from rnnkit.sklearn import SequenceClassifier
>>> X = [np.full((steps, 1), steps % 2) for steps in (3, 4, 5, 6)]  # sequences (T_i, I)
>>> model = SequenceClassifier((('gru', 4),), epochs=60, learning_rate=0.05, random_state=0)
>>> model.fit(X, ['odd', 'even', 'odd', 'even']).predict(X).tolist()
['odd', 'even', 'odd', 'even']
"""

NEEDED = (1, 6)  # the first version that has `validate_data` and `__sklearn_tags__`

try:
    import sklearn
except ImportError as error:
    raise ImportError(
        "rnnkit.sklearn needs scikit-learn, which is not installed: pip install 'rnnkit[sklearn]'"
    ) from error
if tuple(map(int, sklearn.__version__.split('.')[:2])) < NEEDED:
    raise ImportError(
        f'rnnkit.sklearn needs scikit-learn {NEEDED[0]}.{NEEDED[1]} or newer, and finds '
        f"{sklearn.__version__}: pip install --upgrade 'rnnkit[sklearn]'"
    )

from rnnkit.sklearn.classifier import SequenceClassifier  # noqa: E402
from rnnkit.sklearn.regressor import SequenceRegressor  # noqa: E402
from rnnkit.sklearn.scaler import SequenceScaler  # noqa: E402
from rnnkit.sklearn.scorers import per_step  # noqa: E402
from rnnkit.sklearn.transformer import SequenceTransformer  # noqa: E402

__all__ = [
    'SequenceClassifier',
    'SequenceRegressor',
    'SequenceScaler',
    'SequenceTransformer',
    'per_step',
]
