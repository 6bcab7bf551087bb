"""The sample data, without Qt.

The stand-in registers, downloads and loads as Slicer's `SampleData.py` does.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import pytest
from panel_parts import LNGEN, loaded, module
from PIL import Image

NAME = "Pelvic phantom with organs"


class Source:
    """A `SampleDataSource` of one file."""

    def __init__(self, customDownloader=None, thumbnailFileName=None, loadFileTypes=None, **given):
        self.given, self.customDownloader = given, customDownloader
        self.thumbnailFileName, self.loadFileTypes = thumbnailFileName, loadFileTypes

    def __eq__(self, other):
        return str(vars(self)) == str(vars(other))


class Logic:
    """A `SampleDataLogic`; `readers` are those of modules, by the type of their files."""

    def __init__(self, cache):
        self.cache, self.readers = cache, {}
        self.sources, self.titles = {}, {}

    def registerCustomSampleDataCategory(self, category, title):
        self.titles[category] = title

    def registerCustomSampleDataSource(self, category="Custom", **given):
        known = self.sources.setdefault(category, [])
        if Source(**given) not in known:
            known.append(Source(**given))

    def click(self, source):
        if source.customDownloader:
            source.customDownloader(source)
        else:
            self.downloadFromSource(source)

    def downloadSample(self, name):
        every = [source for sources in self.sources.values() for source in sources]
        (source,) = [source for source in every if source.given["sampleName"] == name]
        return self.downloadFromSource(source)[0]

    def downloadFromSource(self, source):
        """Whatever `customDownloader` is."""
        path = self.cache / source.given["fileNames"]

        def hook(blocks, size, total):
            assert min(100 * blocks * size / total, 100) >= 0

        kind, digest = source.given["checksums"].split(":")
        if path.exists() and hashlib.new(kind, path.read_bytes()).hexdigest() != digest:
            path.unlink()
        if not path.exists():
            urllib.request.urlretrieve(source.given["uris"], path, hook)
        assert hashlib.new(kind, path.read_bytes()).hexdigest() == digest
        reader = self.readers[source.loadFileTypes]
        assert reader.canLoadFile(str(path))
        if not reader.load({"fileName": str(path), "name": source.given["nodeNames"]}):
            return []
        return reader.parent.loadedNodes


@pytest.fixture
def logic(tmp_path):
    return Logic(tmp_path)


@pytest.fixture
def samples(logic, monkeypatch):
    """Its phantom is two names instead of two nodes."""
    with loaded("samples", module("slicer"), module("SampleData", SampleDataLogic=logic)) as found:
        reader = found.PhantomReader(SimpleNamespace())
        logic.readers[reader.fileType()] = reader
        logic.made = []

        def add(spacing, seed):
            logic.made.append((spacing, seed))
            return [SimpleNamespace(GetID=lambda each=each: each) for each in ("CT", "organs")]

        monkeypatch.setattr(found, "addPhantom", add)
        found.registerSampleData()
        yield found


def test_the_phantom_is_made_by_its_button_and_by_its_name(samples, logic):
    (source,) = logic.sources["LNGen"]
    logic.click(source)
    assert logic.made == [((1.5, 1.5, 3.0), 1)]
    assert logic.downloadSample(NAME) == "CT" and len(logic.made) == 2
    assert logic.readers["LNGenPhantom"].parent.loadedNodes == ["CT", "organs"]


def test_nothing_is_listed_twice(samples, logic):
    """On reload of the module, say; and Slicer has CTs of its own."""
    samples.registerSampleData()
    assert [source.given["sampleName"] for source in logic.sources["LNGen"]] == [NAME]
    assert logic.titles == {"LNGen": "LNGen"}


def test_it_has_a_picture(samples, logic):
    (source,) = logic.sources["LNGen"]
    picture = Path(source.thumbnailFileName)
    assert picture.stat().st_size <= 20_000
    with Image.open(picture) as opened:
        assert opened.format == "PNG" and opened.width * 3 == opened.height * 4


@pytest.mark.parametrize("content", ["", "[]", '{"seed": 1}'])
def test_a_file_that_says_nothing_of_a_phantom_is_not_loaded(samples, logic, tmp_path, content):
    file = tmp_path / "other.lngen"
    file.write_text(content)
    assert logic.readers["LNGenPhantom"].load({"fileName": str(file)}) is False
    assert not logic.made


START = """
import sys, types
def module(name, **content):
    sys.modules[name] = types.ModuleType(name)
    vars(sys.modules[name]).update(content)
class Logic:
    registerCustomSampleDataCategory = registerCustomSampleDataSource = lambda *_, **__: None
module("slicer")
module("slicer.i18n", tr=str)
module("SampleData", SampleDataLogic=Logic)
from LNGenPanel.samples import PhantomReader, registerSampleData
registerSampleData()
PhantomReader(None).extensions()
wrong = {"numpy", "SimpleITK", "scipy", "vtk", "qt", "requests"}.intersection(sys.modules)
assert not wrong and not any(name.startswith("LNGenLib") for name in sys.modules), wrong
"""


def test_the_start_of_slicer_imports_nothing_of_it():
    subprocess.run([sys.executable, "-c", START], check=True, cwd=LNGEN)


def test_the_phantom_is_a_ct_with_organs(monkeypatch):
    slicer = pytest.importorskip("slicer", reason="slicer-core has no wheel for this Python")
    shown = {}
    monkeypatch.setattr(slicer, "mrmlScene", slicer.vtkMRMLScene(), raising=False)
    monkeypatch.setattr(slicer.util, "setSliceViewerLayers", shown.update, raising=False)
    with loaded("samples", slicer) as samples:
        ct, organs = samples.addPhantom((6.0, 6.0, 6.0), 1)
    assert ct.GetImageData().GetDimensions() == organs.GetImageData().GetDimensions()
    assert ct.GetImageData().GetScalarRange()[0] < -900
    assert organs.IsA("vtkMRMLLabelMapVolumeNode")
    assert ct.GetDisplayNode().GetWindow() == 400 and shown["background"] is ct
