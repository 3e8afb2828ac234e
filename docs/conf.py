"""Configuration of Sphinx: ``sphinx-build docs docs/_build`` in the root of the repository."""

import logging
import sys
from importlib.util import find_spec
from pathlib import Path
from shutil import rmtree

from docutils import nodes
from sphinx.ext.autosummary import AutoLink

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent / '_ext'))

from rnnkit import __version__

logging.getLogger('rnnkit').setLevel('WARNING')  # guides train while the pages are built

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
    'benchmark_tables',  # tables of benchmarks/README.md
    'registry_pages',  # a page for every layer, loss, update rule, metric, ...
]
templates_path = ['_templates']
exclude_patterns = ['_build', 'guides']  # of the guides, what the gallery makes of them is read

autosummary_generate = True
autosummary_context = {'of_builtins': {*dir(dict), *dir(list), *dir(tuple), *dir(Exception)}}
autodoc_typehints = 'none'  # numpydoc's sections have the types, with shapes
autodoc_member_order = 'bysource'
numpydoc_show_class_members = False  # the template of a class lists them
default_role = 'autolink'
pygments_dark_style = 'github-dark'
smartquotes = False  # 'lstm' is a string of Python
mathjax3_config = {'options': {'enableMenu': False}}
copybutton_prompt_text = r'>>> |\.\.\. |\$ '
copybutton_prompt_is_regexp = True
copybutton_exclude = '.linenos, .gp, .go'
nitpick_ignore_regex = [
    # Bases that have no page of their own.
    ('py:class', r'abc\.ABC|rnnkit\.common\.calls\.Abstract'),
    ('py:class', r'rnnkit\.cells\..*State|rnnkit\.layers\.pooling\..*'),
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
    'ignore_repr_types': r'matplotlib\.',  # the picture says more than its repr
    'show_memory': False,
    'write_computation_times': False,
}
html_theme = 'furo'
html_theme_options = {
    'source_repository': 'https://github.com/rnnkit/rnnkit',
    'source_branch': 'main',
    'source_directory': 'docs/',
    'light_logo': 'rnnkit-light.svg',
    'dark_logo': 'rnnkit-dark.svg',
    'top_of_page_buttons': [],  # many pages are made of docstrings, which have no page to edit
    # Contrast with the background: at least 7 in light mode, 8 in dark mode.
    'light_css_variables': {
        'color-brand-primary': '#1f4fa3',
        'color-brand-content': '#1f4fa3',
        'color-brand-visited': '#5b3a9d',
        'color-api-name': '#1f4fa3',
        'color-api-pre-name': '#4b5563',
    },
    'dark_css_variables': {
        'color-brand-primary': '#8ab4f8',
        'color-brand-content': '#8ab4f8',
        'color-brand-visited': '#c4a8f5',
        'color-api-name': '#8ab4f8',
        'color-api-pre-name': '#b6bcc6',
    },
}
html_title = f'rnnkit {release}'
html_static_path = ['_static']
html_css_files = ['custom.css']
html_favicon = '_static/favicon.svg'
html_show_sourcelink = False
html_copy_source = False


class OwnName(AutoLink):
    """The role of single backticks: a link, if it is the name of something documented here."""

    def run(self):
        """Return the nodes."""
        # A parameter may be named like a package that happens to be installed: `past`, `data`.
        package = self.text.partition('.')[0]
        if package != 'rnnkit' and package.isidentifier() and find_spec(package):
            return [nodes.emphasis(self.rawtext, self.text)], []
        return super().run()


def prune_mathjax(app, error):
    """Leave out the 20 MB of MathJax that no page loads."""
    mathjax = Path(app.outdir, '_static', 'mathjax')
    for name in ('a11y', 'adaptors', 'input', 'output/svg', 'sre', 'ui'):
        rmtree(mathjax / name, ignore_errors=True)
    for script in mathjax.glob('*.js'):
        if script.name != 'tex-chtml.js':
            script.unlink()


def setup(app):
    """Change what single backticks mean, and leave out what estimators inherit from others."""
    app.add_role('autolink', OwnName(), override=True)

    # Texts of others refer to pages of their own.
    def skip(app, what, name, member, skipped, options):
        module = getattr(member, '__module__', None) or ''
        return True if module.startswith(('sklearn.', 'sktime.', 'skbase.')) else None

    app.connect('autodoc-skip-member', skip)
    app.connect('build-finished', prune_mathjax, priority=900)
