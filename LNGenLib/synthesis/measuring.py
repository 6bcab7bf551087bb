"""What painting needs to know of a scan, found on a thread beside other work."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from LNGenLib.errors import InputError
from LNGenLib.image.edge import edge_spread
from LNGenLib.scan import Scan
from LNGenLib.synthesis.images import ResultImages
from LNGenLib.synthesis.painting import ScanTraits
from LNGenLib.synthesis.phase import measure_phase
from LNGenLib.synthesis.plan import Phase, Plan
from LNGenLib.synthesis.recording import hashes_of


@dataclass(frozen=True)
class Measured:
    """A scan's traits, the hashes of its images, and images for the result, as soon as they are
    there; and who makes them, one after the other."""

    beside: ThreadPoolExecutor
    traits: Future[ScanTraits]
    hashes: Future[dict[str, str]]
    images: Future[ResultImages | None]


@contextmanager
def measured(
    scan: Scan, artery: float | None, phase: Phase | None = None, images: bool = True
) -> Iterator[Measured]:
    """What painting needs, made beside the block, which leaves a second core mostly idle; the
    `phase` may be known, and `images` for a result may not be wanted."""
    # views made here: made beside a filter, they move an image's voxels elsewhere
    hu, spacing = sitk.GetArrayViewFromImage(scan.hu), scan.spacing
    labels = None if scan.anatomy is None else sitk.GetArrayViewFromImage(scan.anatomy)
    voxels, own = _voxels(scan), sitk.GetArrayViewFromImage(scan.ct)

    def traits() -> ScanTraits:
        spread = scan.once("edge spread", None, lambda: edge_spread(hu, spacing))
        found = phase or scan.once(
            "phase", artery, lambda: measure_phase(hu, spacing, labels, artery)
        )
        return ScanTraits(spread, found)

    with ThreadPoolExecutor(1) as beside:
        yield Measured(
            beside,
            beside.submit(traits),
            beside.submit(_hashes, scan, voxels),
            beside.submit(lambda: ResultImages.before(own, scan.ct) if images else None),
        )


def check_ct(plan: Plan, scan: Scan) -> None:
    """Raise InputError for a plan that was made in another CT."""
    if plan.images and plan.images.get("ct") != _hashes(scan, _voxels(scan))["ct"]:
        raise InputError(
            f"the plan was made in another CT than {scan.name('ct')}: give that one, or make the "
            "plan anew"
        )


def _voxels(scan: Scan) -> dict[str, np.ndarray]:
    return {name: sitk.GetArrayViewFromImage(image) for name, image in scan.images.items()}


def _hashes(scan: Scan, voxels: dict[str, np.ndarray]) -> dict[str, str]:
    return scan.once("hashes", None, lambda: hashes_of(voxels))
