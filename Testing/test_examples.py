"""The examples of the public names do what they show."""

from __future__ import annotations

import doctest

import pytest

import LNGenLib
from LNGenLib import segmentation

PUBLIC = [(module, name) for module in (LNGenLib, segmentation) for name in module.__all__]


@pytest.mark.parametrize("module, name", PUBLIC, ids=[name for _, name in PUBLIC])
def test_each_public_name_has_an_example_that_runs(module, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = getattr(module, name).__doc__
    test = doctest.DocTestParser().get_doctest(text, {}, name, None, None)
    assert any(name in example.source for example in test.examples), "it has no example"
    printed: list[str] = []
    doctest.DocTestRunner(verbose=False).run(test, out=printed.append)
    assert not printed, "".join(printed)
