"""Data sets that are written: nnU-Net raw, or a folder a case. A case counts once it is whole."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any, Protocol

import SimpleITK as sitk

from LNGenLib.datasets.layouts import CHANNEL, RECORDS
from LNGenLib.image.io import write_image
from LNGenLib.synthesis.records import write_json

UNFINISHED = ".writing-*"  # what a killed run leaves


class Writer(Protocol):
    """A layout of written data sets in `folder`."""

    folder: Path

    def write(
        self,
        id: str,
        ct: sitk.Image,
        label: sitk.Image,
        about: dict[str, Any],
        nodes: sitk.Image | None = None,
    ) -> None:
        """Write a case: CT, `label` (1 is lymph node), what is told `about` it (JSON; patient and
        synthetic at least), and instance labels of synthetic lymph `nodes`."""

    def records(self) -> list[Path]:
        """The JSON file of each case that is whole, in the order of their ids."""

    def finish(self) -> None:
        """Write what describes the data set as a whole."""


class NnUNet:
    """nnU-Net raw: imagesTr/ID_0000.nii.gz and labelsTr/ID.nii.gz; beside them, which nnU-Net does
    not look at, nodes/ID.nii.gz and, written last, records/ID.json."""

    def __init__(self, folder: Path):
        self.folder = folder

    def write(
        self,
        id: str,
        ct: sitk.Image,
        label: sitk.Image,
        about: dict[str, Any],
        nodes: sitk.Image | None = None,
    ) -> None:
        for image, name in (
            (ct, f"imagesTr/{id}{CHANNEL}.nii.gz"),
            (label, f"labelsTr/{id}.nii.gz"),
            (nodes, f"nodes/{id}.nii.gz"),
        ):
            if image is not None:
                (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
                write_image(image, self.folder / name)
        (self.folder / RECORDS).mkdir(exist_ok=True)
        write_json(about, self.folder / RECORDS / f"{id}.json")

    def records(self) -> list[Path]:
        return sorted((self.folder / RECORDS).glob("[!.]*.json"))

    def finish(self) -> None:
        content = {
            "channel_names": {"0": "CT"},
            "labels": {"background": 0, "lymph node": 1},
            "numTraining": len(self.records()),
            "file_ending": ".nii.gz",
        }
        write_json(content, self.folder / "dataset.json")


class Plain:
    """A folder a case: ct.nii.gz, label.nii.gz, nodes.nii.gz and nodes.json."""

    def __init__(self, folder: Path):
        self.folder = folder

    def write(
        self,
        id: str,
        ct: sitk.Image,
        label: sitk.Image,
        about: dict[str, Any],
        nodes: sitk.Image | None = None,
    ) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=UNFINISHED[:-1], dir=self.folder))
        try:
            for image, name in ((ct, "ct"), (label, "label"), (nodes, "nodes")):
                if image is not None:
                    write_image(image, unfinished / f"{name}.nii.gz")
            write_json(about, unfinished / "nodes.json")
            os.chmod(unfinished, 0o777 & ~_umask())  # mkdtemp's is for its user alone
            unfinished.rename(self.folder / id)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)

    def records(self) -> list[Path]:
        return sorted(self.folder.glob("[!.]*/nodes.json"))

    def finish(self) -> None:
        pass  # a case tells all of itself


def clear_unfinished(folder: Path) -> None:
    """Remove what a killed run left half-written."""
    for pattern in (UNFINISHED, f"*/{UNFINISHED}"):
        for left in folder.glob(pattern):
            shutil.rmtree(left) if left.is_dir() else left.unlink()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
