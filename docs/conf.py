"""Configuration of Sphinx: ``sphinx-build docs docs/_build`` in the root of the repository."""

import sys
from importlib.util import find_spec
from pathlib import Path

from docutils import nodes
from sphinx.ext.autosummary import AutoLink

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
    'sphinx-mathjax-offline',  # formulas without a network
    'sphinx_copybutton',
    'sphinx_design',
    'sphinx_gallery.gen_gallery',
]
templates_path = ['_templates']
exclude_patterns = ['_build', 'guides']  # of the guides, what the gallery makes of them is read

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

sphinx_gallery_conf = {
    'examples_dirs': 'guides',
    'gallery_dirs': 'gallery',
    'filename_pattern': r'\.py$',  # all are executed
    'abort_on_example_error': True,
    'within_subsection_order': 'FileNameSortKey',
    'min_reported_time': 20,
    'show_memory': False,
}
html_theme = 'furo'
html_theme_options = {
    'source_repository': 'https://github.com/rnnkit/rnnkit',
    'source_branch': 'main',
    'source_directory': 'docs/',
}
html_title = f'rnnkit {release}'
html_show_sourcelink = False


class OwnName(AutoLink):
    """The role of single backticks: a link, if it is the name of something documented here."""

    def run(self):
        """Return the nodes."""
        # A parameter may be named like a package that happens to be installed: `past`, `data`.
        package = self.text.partition('.')[0]
        if package != 'rnnkit' and package.isidentifier() and find_spec(package):
            return [nodes.emphasis(self.rawtext, self.text)], []
        return super().run()


def setup(app):
    """Change what single backticks mean, and leave out what estimators inherit from others."""
    app.add_role('autolink', OwnName(), override=True)

    # Texts of others refer to pages of their own.
    def skip(app, what, name, member, skipped, options):
        module = getattr(member, '__module__', None) or ''
        return True if module.startswith(('sklearn.', 'sktime.', 'skbase.')) else None

    app.connect('autodoc-skip-member', skip)
