"""Data sets that are written: nnU-Net raw, or a folder a case. A case counts once it is whole."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import SimpleITK as sitk

from LNGenLib.datasets.identity import CHANNEL
from LNGenLib.datasets.label_values import written_labels
from LNGenLib.datasets.layouts import RECORDS
from LNGenLib.files import UNFINISHED, output_folder, read_json, write_json
from LNGenLib.image.io import write_images


class NnUNet:
    """nnU-Net raw: imagesTr/ID_0000.nii.gz and labelsTr/ID.nii.gz; beside them, which nnU-Net does
    not look at, nodes/ID.nii.gz and, written last, records/ID.json."""

    def __init__(self, folder: Path):
        self.folder = folder

    def write(self, id: str, images: dict[str, sitk.Image], about: dict[str, Any]) -> None:
        """Write a case: its images `ct`, `label` (1 is lymph node) and, where there are synthetic
        lymph nodes, `nodes` (their instance labels), and its record `about` (JSON; `patient` and
        `synthetic` at least, and `labels` by `written_labels`, where some voxels are ignored)."""
        files = {"ct": f"imagesTr/{id}{CHANNEL}", "label": f"labelsTr/{id}", "nodes": f"nodes/{id}"}
        paths = {name: self.folder / f"{file}.nii.gz" for name, file in files.items()}
        try:
            write_images({paths[name]: image for name, image in images.items()})
            write_json(about, self.folder / RECORDS / f"{id}.json")
        except BaseException:
            for path in paths.values():
                path.unlink(missing_ok=True)
            raise

    def records(self) -> list[Path]:
        """The JSON file of each whole case, in the order of ids."""
        return sorted((self.folder / RECORDS).glob("[!.]*.json"))

    def finish(self) -> None:
        """Write dataset.json."""
        labels = [read_json(record).get("labels", {}) for record in self.records()]
        content = {
            "channel_names": {"0": "CT"},
            "labels": written_labels(any("ignore" in each for each in labels)),
            "numTraining": len(labels),
            "file_ending": ".nii.gz",
        }
        write_json(content, self.folder / "dataset.json")


class Plain:
    """A folder a case: ct.nii.gz, label.nii.gz, nodes.nii.gz and nodes.json."""

    def __init__(self, folder: Path):
        self.folder = folder

    def write(self, id: str, images: dict[str, sitk.Image], about: dict[str, Any]) -> None:
        """As `NnUNet.write`."""
        with output_folder(self.folder / id) as folder:
            write_images({folder / f"{name}.nii.gz": image for name, image in images.items()})
            write_json(about, folder / "nodes.json")

    def records(self) -> list[Path]:
        """As `NnUNet.records`."""
        return sorted(self.folder.glob("[!.]*/nodes.json"))

    def finish(self) -> None:
        """Nothing: a case tells all of itself."""


Writer = NnUNet | Plain
LAYOUTS: dict[str, type[Writer]] = {"nnunet": NnUNet, "plain": Plain}


def clear_unfinished(folder: Path) -> None:
    """Remove what a killed run left half-written."""
    for pattern in (f"{UNFINISHED}*", f"*/{UNFINISHED}*"):
        for left in folder.glob(pattern):
            shutil.rmtree(left) if left.is_dir() else left.unlink()
