"""Stand-in of the module Sample Data: keeps sources as the real one, and loads volumes of files."""

from __future__ import annotations

import urllib.request
from pathlib import Path

import slicer


class SampleDataSource:
    """One or several files. `downloadSample` takes no notice of `customDownloader`, which only the
    button of the module calls."""

    def __init__(
        self,
        sampleName=None,
        uris=None,
        fileNames=None,
        nodeNames=None,
        checksums=None,
        loadFiles=None,
        customDownloader=None,
        thumbnailFileName=None,
        loadFileTypes=None,
        loadFileProperties=None,
    ) -> None:
        of_files = (uris, fileNames, nodeNames, checksums, loadFiles, loadFileTypes)
        if isinstance(uris, str):
            of_files = [[each] for each in of_files]
        elif len({len(each) for each in of_files if each is not None}) != 1:
            raise ValueError("All fields of sample data source must have the same length")
        self.uris, self.fileNames, self.nodeNames, self.checksums, self.loadFiles, _ = of_files
        self.sampleName, self.customDownloader = sampleName, customDownloader
        self.thumbnailFileName = thumbnailFileName

    def __eq__(self, other: object) -> bool:
        return vars(self) == vars(other)


class SampleDataLogic:
    def __init__(self) -> None:
        for name in ("MRHead", "CTLiver", "CTAAbdomenPanoramix"):  # some of its own
            url = f"https://example.org/{name}.nrrd"
            self.registerCustomSampleDataSource("General", name, url, f"{name}.nrrd", name)

    @staticmethod
    def registerCustomSampleDataCategory(category: str, title: str) -> None:
        titles = slicer.modules.sampleDataSourceCategories
        titles.setdefault(category, {})["title"] = title

    @staticmethod
    def registerCustomSampleDataSource(category: str = "Custom", *given, **source) -> None:
        sources = slicer.modules.sampleDataSources.setdefault(category, [])
        new = SampleDataSource(
            **dict(zip(("sampleName", "uris", "fileNames", "nodeNames"), given)), **source
        )
        if new not in sources:
            sources.append(new)

    @staticmethod
    def sampleDataSourcesByCategory(category: str | None = None):
        sources = slicer.modules.sampleDataSources
        return sources if category is None else sources.get(category, [])

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

    def downloadSamples(self, sampleName: str) -> list:
        source = self.sourceForSampleName(sampleName)
        return self.downloadFromSource(source) if source else []

    def downloadSample(self, sampleName: str) -> object:
        return self.downloadSamples(sampleName)[0]
