"""Stand-in of the module Sample Data: keeps sources as the real one, and loads volumes of files."""

from __future__ import annotations

import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import slicer


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

    def __post_init__(self) -> None:
        files = ("uris", "fileNames", "nodeNames", "checksums", "loadFiles")
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
        for uri, file, name in zip(source.uris, source.fileNames, source.nodeNames):
            path = Path(slicer.app.temporaryPath, file)
            urllib.request.urlretrieve(uri, path)
            node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
            storage = slicer.vtkMRMLVolumeArchetypeStorageNode()
            storage.SetFileName(str(path))
            if not storage.ReadData(node):
                raise ValueError(f"Load failed: {uri}")
            nodes.append(node)
        return nodes

    def downloadSample(self, sampleName: str) -> object:
        source = self.sourceForSampleName(sampleName)
        return (self.downloadFromSource(source) if source else [])[0]
