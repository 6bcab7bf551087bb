"""Records of lymph nodes once they are painted, and how the result came about."""

from __future__ import annotations

import dataclasses
import hashlib
import platform
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk
import torch

from LNGenLib import __version__
from LNGenLib.image.geometry import index_to_ras
from LNGenLib.image.grid import corner
from LNGenLib.scan import Scan
from LNGenLib.scan.totalsegmentator import shows_bowel
from LNGenLib.structure.lymph_node import LymphNode
from LNGenLib.synthesis.appearance import draw_unevenness
from LNGenLib.synthesis.enhancement import offsets
from LNGenLib.synthesis.method import Method
from LNGenLib.synthesis.painting import Brush
from LNGenLib.synthesis.plan import Phase, Plan, PlannedNode
from LNGenLib.synthesis.request import as_point
from LNGenLib.synthesis.result import LymphNodeRecord
from LNGenLib.texture.blending import BlendedNode, within_reach

if TYPE_CHECKING:
    from LNGenLib.synthesis.models import Models


def measures_of(node: LymphNode, ct: sitk.Image) -> dict[str, Any]:
    """What a record tells of a node's surface, wherever in `ct` it is painted, and its long axis
    there."""
    start_ras, end_ras = index_to_ras(ct, node.long_axis_ends())
    recist_long, recist_short = node.recist_axes()
    return {
        "wanted_long_axis_mm": round(float(node.long_axis), 3),
        "long_axis_mm": round(node.measured_long_axis(), 3),
        "short_axis_mm": round(node.structure.short_axis(node.long_axis), 3),
        "recist_axis_mm": round(recist_long, 3),
        "recist_short_axis_mm": round(recist_short, 3),
        "long_axis_ras_mm": (as_point(start_ras, 3), as_point(end_ras, 3)),
        "volume_mm3": round(node.structure.volume(node.long_axis), 3),
        "axis_ratio": round(node.structure.short_axis(1.0), 3),
        "irregularity": round(node.structure.irregularity, 3),
    }


def make_record(
    scan: Scan,
    plan: Plan,
    planned: PlannedNode,
    brush: Brush,
    painted: BlendedNode,
    known: dict[str, Any],
    method: Method,
) -> LymphNodeRecord:
    """The record of a lymph node of the plan, as it was painted; what is `known` of it before is
    that of `measures_of`, and whether its structure was repaired."""
    node, hu = brush.node, sitk.GetArrayViewFromImage(scan.hu)
    around = within_reach(painted.label, node.spacing) & ~painted.changed
    voxel = float(np.prod(node.spacing))
    center = index_to_ras(scan.hu, corner(painted.box) + _middle(painted))
    return LymphNodeRecord(
        label=planned.number,
        center_ras_mm=as_point(center, 3),
        grid_volume_mm3=round(float(painted.share.sum()) * voxel, 3),
        mean_hu=round(float(painted.hu[painted.label].mean()), 2),
        surrounding_mean_hu=round(float(hu[painted.box][around].mean()), 2)
        if around.any()
        else None,
        noise_hu=round(brush.noise.level, 2),
        seed=plan.seed,
        station=planned.station,
        hilum=planned.hilum,
        anatomy_estimated=not (plan.request.points or shows_bowel(scan.anatomy)),
        **known,
        **_wanted(brush, plan, planned, method),
    )


def _wanted(brush: Brush, plan: Plan, planned: PlannedNode, method: Method) -> dict[str, Any]:
    """How the node was to look, and its conspicuity, for its record; unknown of DiffTumor's."""
    if method == Method.difftumor:
        return {}
    wanted = {
        "wanted_mean_hu": round(brush.mean, 2),
        "conspicuity": round(brush.conspicuity, 2),
    }
    if planned.appearance is None:
        return wanted
    return wanted | {
        "appearance": planned.appearance,
        "necrosis": planned.necrosis,
        "unevenness_hu": round(draw_unevenness(planned.appearance, plan.seed, planned.index), 2),
    }


def _middle(painted: BlendedNode) -> np.ndarray:
    """Center of mass (z, y, x) in the box; of a bent node the nearest voxel of its label."""
    weights = painted.share
    middle = (
        np.array([(weights * axis).sum() for axis in np.indices(weights.shape)]) / weights.sum()
    )
    if painted.label[tuple(np.round(middle).astype(int))]:
        return middle
    voxels = np.argwhere(painted.label)
    return voxels[((voxels - middle) ** 2).sum(1).argmin()]


def hashes_of(voxels: dict[str, np.ndarray]) -> dict[str, str]:
    """SHA-256 of the voxels of each array, of any shape."""
    return {name: hashlib.sha256(array.data).hexdigest() for name, array in voxels.items()}


def provenance(plan: Plan, phase: Phase, models: Models, hashes: dict[str, str]) -> dict[str, Any]:
    """How a result came about, as JSON takes it.

    Software, weights, the request, the `plan` that was painted in a scan of this `phase`, and the
    `hashes` of the scan's images (the CT in whole HU).
    """
    import monai

    planned = dataclasses.asdict(plan)
    request, _ = planned.pop("request"), planned.pop("images")  # which stand beside it
    return {
        "software": f"LNGen {__version__}",
        "versions": {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "torch": torch.__version__,
            "monai": monai.__version__,
            "SimpleITK": sitk.Version_VersionString(),
        },
        "method": models.method.value,
        "weights": {
            "structure": models.structure.description["sha256"],
            "texture": models.texture.description["sha256"],
        },
        "request": request,
        "plan": planned,
        "enhancement_hu": plan.request.enhancement or offsets(phase),
        "input_voxels_sha256": hashes,
        "device": models.texture.device,
        "precision": str(models.texture.precision).removeprefix("torch."),
    }
