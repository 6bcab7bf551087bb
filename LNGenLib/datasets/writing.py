"""Data sets that are written: nnU-Net raw, or a folder a case. A case counts once it is whole."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import SimpleITK as sitk

from LNGenLib.datasets.identity import CHANNEL
from LNGenLib.datasets.label_values import written_labels
from LNGenLib.datasets.layouts import RECORDS
from LNGenLib.errors import OutputError
from LNGenLib.files import UNFINISHED, read_json, renamed, write_json
from LNGenLib.image.io import write_image


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
        """Write a case: CT, `label` (1 is lymph node), its record `about` (JSON; `patient` and
        `synthetic` at least, and `labels` by `written_labels`, where some voxels are ignored), and
        instance labels of synthetic lymph `nodes`."""
        images = {
            self.folder / f"imagesTr/{id}{CHANNEL}.nii.gz": ct,
            self.folder / f"labelsTr/{id}.nii.gz": label,
            self.folder / f"nodes/{id}.nii.gz": nodes,
        }
        try:
            for path, image in images.items():
                if image is not None:
                    write_image(image, path)
            write_json(about, self.folder / RECORDS / f"{id}.json")
        except BaseException:
            for path in images:
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

    def write(
        self,
        id: str,
        ct: sitk.Image,
        label: sitk.Image,
        about: dict[str, Any],
        nodes: sitk.Image | None = None,
    ) -> None:
        """As `NnUNet.write`."""
        unfinished = self.folder / f"{UNFINISHED}{id}"
        shutil.rmtree(unfinished, ignore_errors=True)
        try:
            for image, name in ((ct, "ct"), (label, "label"), (nodes, "nodes")):
                if image is not None:
                    write_image(image, unfinished / f"{name}.nii.gz")
            write_json(about, unfinished / "nodes.json")
            unfinished.rename(self.folder / id)
        except OutputError as error:
            raise renamed(error, unfinished, self.folder / id) from error
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)

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
