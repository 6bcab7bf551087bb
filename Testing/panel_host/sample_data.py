"""Stand-in of the module Sample Data, which keeps sources as the real one does, and loads the files
for which a scripted module has a reader."""

from __future__ import annotations

import hashlib
import types
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import slicer

from panel_host.pythonqt import NotInHost

readers: list[type] = []  # of the scripted modules, each its `NAMEFileReader`


@dataclass
class SampleDataSource:
    """One or several files. `downloadSample` takes no notice of `customDownloader`, which only the
    button of the module calls."""

    sampleName: str | None = None
    uris: object = None
    fileNames: object = None
    nodeNames: object = None
    checksums: object = None
    loadFiles: object = None
    customDownloader: Callable | None = None
    thumbnailFileName: str | None = None
    loadFileTypes: object = None
    loadFileProperties: dict | None = None

    def __post_init__(self) -> None:
        files = ("uris", "fileNames", "nodeNames", "checksums", "loadFiles", "loadFileTypes")
        if isinstance(self.uris, str):
            for each in files:
                setattr(self, each, [getattr(self, each)])
        if len({len(values) for each in files if (values := getattr(self, each))}) != 1:
            raise ValueError("All fields of sample data source must have the same length")


class SampleDataLogic:
    def __init__(self) -> None:
        for name in ("MRHead", "CTLiver", "CTAAbdomenPanoramix"):  # some of its own
            url = f"https://example.org/{name}.nrrd"
            source = {"sampleName": name, "uris": url, "fileNames": f"{name}.nrrd"}
            self.registerCustomSampleDataSource("General", **source)

    @staticmethod
    def registerCustomSampleDataCategory(category: str, title: str) -> None:
        titles = slicer.modules.sampleDataSourceCategories
        titles.setdefault(category, {})["title"] = title

    @staticmethod
    def registerCustomSampleDataSource(category: str = "Custom", **source: object) -> None:
        sources = slicer.modules.sampleDataSources.setdefault(category, [])
        if (new := SampleDataSource(**source)) not in sources:
            sources.append(new)

    def sourceForSampleName(self, name: str) -> SampleDataSource | None:
        every = (each for sources in slicer.modules.sampleDataSources.values() for each in sources)
        return next((each for each in every if each.sampleName == name), None)

    def downloadFromSource(self, source: SampleDataSource) -> list:
        nodes = []
        for k, uri in enumerate(source.uris):
            path = Path(slicer.app.temporaryPath, source.fileNames[k])
            urllib.request.urlretrieve(uri, path)
            wanted = (source.checksums or {}) and source.checksums[k]
            if wanted and wanted != f"SHA256:{hashlib.sha256(path.read_bytes()).hexdigest()}":
                raise ValueError(f"Checksum verification failed: {uri}")
            properties = {"fileName": str(path), "name": source.nodeNames[k]}
            nodes += self._load(source.loadFileTypes[k], properties)[:1]
        return nodes

    def _load(self, kind: str | None, properties: dict[str, str]) -> list:
        for reader in readers:
            parent = types.SimpleNamespace(loadedNodes=[])
            one = reader(parent)
            if kind == one.fileType() or not kind and one.canLoadFile(properties["fileName"]):
                if not one.load(properties):
                    raise ValueError(f"Load failed: {properties}")
                return [slicer.mrmlScene.GetNodeByID(name) for name in parent.loadedNodes]
        raise NotInHost(f"a reader of {properties['fileName']} as {kind}")

    def downloadSample(self, sampleName: str) -> object:
        source = self.sourceForSampleName(sampleName)
        return (self.downloadFromSource(source) if source else [])[0]
