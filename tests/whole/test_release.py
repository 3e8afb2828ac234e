"""What a release says about itself agrees with itself."""

import re
import tomllib
from datetime import date

import links
from repository import ROOT

import rnnkit

PROJECT = tomllib.loads((ROOT / 'pyproject.toml').read_text(encoding='utf-8'))['project']
CITATION = (ROOT / 'CITATION.cff').read_text(encoding='utf-8')
CHANGELOG = (ROOT / 'CHANGELOG.md').read_text(encoding='utf-8')


def cited(key):
    """Return a value of CITATION.cff that is one line of text."""
    (value,) = re.findall(rf'^{key}: (.+)$', CITATION, re.MULTILINE)
    return value.strip('"')


def test_the_newest_section_of_the_changelog_is_this_version():
    version, day = re.search(r'^## \[(.+?)\] - (.+)$', CHANGELOG, re.MULTILINE).groups()
    assert version == rnnkit.__version__
    assert date.fromisoformat(day)
    assert f'\n[{version}]: {links.HOME}/releases/tag/v{version}\n' in CHANGELOG


def test_a_section_of_the_changelog_begins_with_a_summary():
    summary = CHANGELOG.partition('## [')[2].partition('###')[0].splitlines()[1:]
    assert 5 < len([line for line in summary if line]) <= 16


def test_the_citation_is_of_this_version():
    assert cited('cff-version') == '1.2.0'
    assert cited('version') == rnnkit.__version__
    assert f'## [{cited("version")}] - {cited("date-released")}\n' in CHANGELOG
    assert cited('license') == PROJECT['license']
    assert cited('repository-code') == PROJECT['urls']['Source'] == links.HOME
    assert cited('url') == PROJECT['urls']['Documentation']
    for key in ('message', 'title', 'authors'):  # which the schema requires
        assert re.search(rf'^{key}:', CITATION, re.MULTILINE)


def test_the_urls_of_the_project_are_there():
    urls = PROJECT['urls']
    assert list(urls) == ['Documentation', 'Source', 'Issues', 'Changelog', 'Benchmarks']
    assert [url for url in urls.values() if not links.exists(ROOT / 'README.md', url)] == []


def test_versions_of_python_are_those_of_the_page_on_compatibility():
    listed = [
        c.rpartition(' ')[2]
        for c in PROJECT['classifiers']
        if re.fullmatch(r'Programming Language :: Python :: 3\.\d+', c)
    ]
    assert PROJECT['requires-python'] == f'>={listed[0]}'
    page = (ROOT / 'docs' / 'compatibility.rst').read_text(encoding='utf-8')
    assert re.findall(r'^Python (3\.\d+)\s', page, re.MULTILINE) == listed
