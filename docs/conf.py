"""Configuration of Sphinx: ``sphinx-build docs docs/_build`` in the root of the repository."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from rnnkit import __version__

project = 'rnnkit'
author = 'The rnnkit developers'
copyright = author
release = version = __version__

extensions = [
    'sphinx.ext.autodoc',
    'sphinx.ext.autosummary',
    'sphinx.ext.mathjax',
    'sphinx.ext.viewcode',
    'numpydoc',
]
templates_path = ['_templates']
exclude_patterns = ['_build']

autosummary_generate = True
autodoc_typehints = 'none'  # numpydoc's sections have the types, with shapes
autodoc_member_order = 'bysource'
numpydoc_show_class_members = False  # the template of a class lists them
default_role = 'autolink'
nitpick_ignore_regex = [
    # Bases that have no page of their own.
    ('py:class', r'abc\.ABC|rnnkit\.cells\..*State|rnnkit\.layers\.pooling\..*'),
    ('py:class', r'rnnkit\.models\.(exports\.Exports|symbolic\.Symbolic|trainable\.Trainable)'),
    ('py:class', r'sklearn\.base\..*|rnnkit\.sklearn\.base\.SequenceEstimator'),
    ('py:class', r'sktime\.forecasting\.base\..*'),
    ('py:class', r'None\. .*|an? .* (D|values|keys|items)'),  # what dict says of its methods
    ('py:obj', r'rnnkit\.common\.registry\.Member'),  # a type variable
]

html_theme = 'alabaster'
html_theme_options = {'description': 'Recurrent networks on PyTensor', 'page_width': '1040px'}
html_show_sourcelink = False


def setup(app):
    """Leave out what estimators inherit from others, whose texts refer to pages of their own."""

    def skip(app, what, name, member, skipped, options):
        module = getattr(member, '__module__', None) or ''
        return True if module.startswith(('sklearn.', 'sktime.', 'skbase.')) else None

    app.connect('autodoc-skip-member', skip)
