"""The error of `import rnnkit.sklearn` where scikit-learn is missing, or too old."""

import re
import subprocess
import sys

import pytest

CODE = """
import sys
{before}
import rnnkit
import rnnkit.sklearn
"""
MISSING = "sys.modules['sklearn'] = None"
OLD = "import sklearn; sklearn.__version__ = '1.5.2'"


@pytest.mark.parametrize(
    ('before', 'message'),
    [
        (
            MISSING,
            'ImportError: rnnkit.sklearn needs scikit-learn, which is not installed: '
            "pip install 'rnnkit[sklearn]'",
        ),
        (
            OLD,
            'ImportError: rnnkit.sklearn needs scikit-learn 1.6 or newer, and finds 1.5.2: '
            "pip install --upgrade 'rnnkit[sklearn]'",
        ),
    ],
)
def test_the_error_says_what_to_install(before, message):
    done = subprocess.run(
        [sys.executable, '-c', CODE.format(before=before)], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert re.search(f'^{re.escape(message)}$', done.stderr, re.MULTILINE), done.stderr
