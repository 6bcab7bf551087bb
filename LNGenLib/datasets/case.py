"""A case: a CT and, where there is one, the label map of its lymph nodes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import SimpleITK as sitk

from LNGenLib.datasets.identity import found_of
from LNGenLib.datasets.label_values import Meaning, label_map, written_labels
from LNGenLib.datasets.npz import read_npz
from LNGenLib.errors import InputError
from LNGenLib.image.io import as_ct, like, marked_synthetic, read_ct, read_labels, to_array
from LNGenLib.scan import Scan
from LNGenLib.scan.checks import check_nodes_shown
from LNGenLib.scan.labels import read_anatomy


class Loaded(NamedTuple):
    """A case as read: its CT and, on the same grid, the labels of its lymph nodes
    (uint16, 0 elsewhere) and what is neither these nor free of them (uint8), where there are
    some."""

    ct: sitk.Image
    nodes: sitk.Image | None
    ignored: sitk.Image | None

    @property
    def mask(self) -> sitk.Image | None:
        """The label map of `label_map` (uint8), where there are labels: 1 in lymph nodes, 2 in what
        is ignored. No lymph node is painted where it is not 0."""
        return None if self.nodes is None else Labeled(*self).mask

    @property
    def values(self) -> dict[str, int]:
        """What the values of its label maps mean, as `written_labels` tells it."""
        return written_labels(self.ignored is not None)

    def mask_with(self, synthetic: sitk.Image) -> sitk.Image:
        """As `mask`, with synthetic lymph nodes (not 0), too, and marked so."""
        nodes = to_array(synthetic) > 0
        if self.nodes is not None:
            nodes |= to_array(self.nodes) > 0
        return marked_synthetic(self._mapped(nodes, synthetic))

    def _mapped(self, nodes: np.ndarray, grid: sitk.Image) -> sitk.Image:
        ignored = None if self.ignored is None else to_array(self.ignored)
        return like(label_map(nodes, ignored), grid)


class Labeled(Loaded):
    """A case as read whose lymph nodes are labeled."""

    nodes: sitk.Image

    @property
    def mask(self) -> sitk.Image:
        """As that of `Loaded`."""
        return self._mapped(to_array(self.nodes), self.ct)


@dataclass(frozen=True)
class Case:
    """One scan: files, and what its data set tells of it.

    `image` is a CT in HU (a DICOM folder, too) or an .npz of MEPLYv2, which holds the labels as
    well; `meaning` tells what is a lymph node in `label`. Scans of one `patient` belong into one
    part of a split; `part` is train, validation or test where the data set says so. `anatomy` is
    a folder of TotalSegmentator's masks, where the data set has one.
    """

    id: str
    image: Path
    label: Path | None
    patient: str
    part: str | None = None
    synthetic: bool = False
    meaning: Meaning = Meaning()
    anatomy: Path | None = None

    def load(self, as_stored: bool = False) -> Loaded:
        """CT (int16 HU, or of its own type `as_stored`) and labels; InputError, which names the
        file, where they can't be used."""
        labels: sitk.Image | None = None
        if self.image.suffix == ".npz":
            image, labels = read_npz(self.image)
        else:
            image = read_ct(self.image)
            if self.label is not None:
                labels = read_labels(self.label, image)
        hu = as_ct(image, str(self.image))
        ct = image if as_stored else hu
        if labels is None:
            return Loaded(ct, None, None)
        nodes, ignored = self.meaning.read(to_array(labels), str(self.label))
        lymph_nodes = like(nodes, ct)
        check_nodes_shown(hu, lymph_nodes, f"the label of {self.id}")
        mask = None if ignored is None else like(ignored.astype(np.uint8), ct)
        return Loaded(ct, lymph_nodes, mask)

    def load_labeled(self) -> Labeled:
        """As `load`; InputError where there are no labels."""
        loaded = self.load()
        if loaded.nodes is None:
            raise InputError(f"{self.image} has no labels: add them, or leave it out")
        return Labeled(*loaded)


def scan_of(case: Case, source: Loaded, folder: Path | None) -> Scan:
    """A case as a scan to paint into, `anatomy_of` and all; InputError where it is none."""
    names = {"ct": str(case.image), "avoid": f"the label of {case.id}"}
    anatomy = anatomy_of(case, folder, source.ct)
    return Scan(source.ct, anatomy, avoid=source.mask, names=names)


def anatomy_of(case: Case, folder: Path | None, ct: sitk.Image) -> sitk.Image | None:
    """TotalSegmentator's labels of a case on the grid of `ct`.

    They lie in a `folder`: ID.nii.gz or the like, ID.seg.nrrd, or a folder ID of masks; InputError
    where there are none. Without a folder they are those of the case's own data set, if it has any.
    """
    if folder is None:
        return None if case.anatomy is None else read_anatomy(case.anatomy, ct)
    found = found_of(case.id, folder)
    if found is None:
        raise InputError(f"{folder} holds no labels {case.id}.nii.gz: add them")
    own = found / "segmentations"  # of TotalSegmentator's data sets
    return read_anatomy(own if own.is_dir() else found, ct)
