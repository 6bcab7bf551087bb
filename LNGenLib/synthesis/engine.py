"""The main job: sizes -> structures -> places -> tissue -> a new CT with labels and records."""

from __future__ import annotations

import dataclasses
import hashlib
import platform
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
import torch

from LNGenLib import __version__
from LNGenLib.errors import InputError
from LNGenLib.image.edge import edge_spread
from LNGenLib.image.geometry import array_spacing, box_mask, index_to_ras
from LNGenLib.image.io import as_ct, check_same_geometry, like, marked_synthetic, to_array
from LNGenLib.placement.anatomy import find_region, without
from LNGenLib.structure.ellipsoids import EllipsoidModel
from LNGenLib.structure.lymph_node import LymphNode
from LNGenLib.structure.model import BATCH as STRUCTURES
from LNGenLib.structure.model import Samples, StructureModel
from LNGenLib.synthesis.enhancement import draw_uptake, offsets
from LNGenLib.synthesis.method import Method
from LNGenLib.synthesis.painting import Painting, ScanTraits, measure_scan, paint
from LNGenLib.synthesis.phase import measure_phase
from LNGenLib.synthesis.plan import Plan
from LNGenLib.synthesis.planning import draw_structures, lymph_nodes, make_plan
from LNGenLib.synthesis.progress import Progress
from LNGenLib.synthesis.records import LymphNodeRecord, SynthesisRequest, SynthesisResult
from LNGenLib.texture.difftumor import DiffTumorModel
from LNGenLib.texture.inpainting import Inpainting, within_reach
from LNGenLib.texture.model import BATCH as TISSUES
from LNGenLib.texture.model import TextureModel


@dataclass(frozen=True)
class Models:
    """The trained models, loaded once, when first used: shipped weights, or own by path.

    By the method `difftumor` structures are elastic ellipsoids, and `texture_weights` are those of
    the DiffTumor-style baseline.
    """

    device: str = "auto"
    structure_weights: Path | None = None
    texture_weights: Path | None = None
    method: Method = Method.lngen

    @cached_property
    def structure(self) -> StructureModel | EllipsoidModel:
        """The structure model on its device; InputError for unusable weights."""
        if self.method == Method.difftumor:
            return EllipsoidModel()
        return StructureModel(self.structure_weights, choose_device(self.device))

    @cached_property
    def texture(self) -> TextureModel:
        """The texture model on its device; InputError for unusable weights."""
        kind = DiffTumorModel if self.method == Method.difftumor else TextureModel
        return kind(self.texture_weights, choose_device(self.device))

    def limit_batches(self, most: int | None) -> None:
        """Sample at most `most` lymph nodes at a time, None for as many as usual.

        Smaller batches take less memory; they give equal labels, and HU within 1.
        """
        for name, usual in (("structure", STRUCTURES), ("texture", TISSUES)):
            if most is not None or name in vars(self):  # what is not loaded has no limit to lift
                getattr(self, name).batch = min(usual, most or usual)


def choose_device(device: str) -> str:
    """cpu or cuda; auto is cuda where there is one. Raises InputError."""

    if device not in ("auto", "cpu", "cuda"):
        raise InputError(f"device {device}: give auto, cpu or cuda")
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError("no CUDA device is available: take the CPU")
    return "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"


def synthesize(
    ct: sitk.Image,
    request: SynthesisRequest,
    anatomy: sitk.Image | None = None,
    region_mask: sitk.Image | None = None,
    models: Models | None = None,
    progress: Progress | None = None,
    avoid: sitk.Image | None = None,
    plan: Plan | None = None,
) -> SynthesisResult:
    """Paint `request.count` lymph nodes into `ct`; the input images are not modified.

    `anatomy` holds TotalSegmentator's labels, `region_mask` is nonzero where nodes may lie, `avoid`
    where they must not (real nodes, say); all on the CT's grid. With a `plan` its lymph nodes are
    painted, and of the request only what concerns painting counts. Raises InputError for unusable
    input or where the nodes do not fit.
    """
    progress, models = progress or Progress(), models or Models()
    ct = as_ct(ct)
    _check_geometry(ct, anatomy, region_mask, avoid)
    hu = sitk.GetArrayViewFromImage(ct)
    images = {"ct": ct, "anatomy": anatomy, "region_mask": region_mask, "avoid": avoid}
    voxels = {  # views made here: made beside a filter, they move an image's voxels elsewhere
        name: sitk.GetArrayViewFromImage(image)
        for name, image in images.items()
        if image is not None
    }
    with ThreadPoolExecutor(1) as beside:  # what follows leaves a second core mostly idle
        labels = voxels.get("anatomy")
        measured = beside.submit(_traits, hu, array_spacing(ct), labels, request.artery_hu, plan)
        hashes = beside.submit(_hashes, voxels)
        if plan is None:
            plan, samples = _planned(ct, request, anatomy, region_mask, avoid, models, progress)
        else:
            _load(models, progress)
            samples = draw_structures(plan, models.structure, progress)
        nodes = lymph_nodes(plan, samples.structures, ct)
    traits = measured.result()
    plan = dataclasses.replace(plan, phase=traits.phase)

    painting = paint(
        hu,
        nodes,
        plan.seed,
        models.texture,
        request.texture_steps,
        progress,
        numbers=[planned.number for planned in plan.nodes],
        traits=traits,
        enhancement=request.enhancement,
    )
    wanted = [_wanted(painting, k, plan, request, models.method) for k in range(len(nodes))]
    with ThreadPoolExecutor(2) as beside:  # copies of the whole volume
        arrays = painting.hu, painting.labels, painting.changed
        images = [beside.submit(like, array, ct) for array in arrays]
        records = tuple(
            _record(ct, hu, node, painting, k, samples.repaired[k], plan, told)
            for k, (node, told) in enumerate(zip(nodes, wanted, strict=True))
        )
    progress.finish()
    return SynthesisResult(
        *(marked_synthetic(image.result()) for image in images),
        records,
        _provenance(request, plan, models, hashes.result()),
        tuple(nodes),
    )


def plan_synthesis(
    ct: sitk.Image,
    request: SynthesisRequest,
    anatomy: sitk.Image | None = None,
    region_mask: sitk.Image | None = None,
    models: Models | None = None,
    progress: Progress | None = None,
    avoid: sitk.Image | None = None,
) -> Plan:
    """What `synthesize` would paint; it paints the same when it is given this plan."""
    progress = progress or Progress()
    ct = as_ct(ct)
    _check_geometry(ct, anatomy, region_mask, avoid)
    plan, _ = _planned(ct, request, anatomy, region_mask, avoid, models or Models(), progress)
    labels = None if anatomy is None else sitk.GetArrayViewFromImage(anatomy)
    hu = sitk.GetArrayViewFromImage(ct)
    phase = measure_phase(hu, array_spacing(ct), labels, request.artery_hu)
    progress.finish()
    return dataclasses.replace(plan, phase=phase)


def _traits(
    hu: np.ndarray,
    spacing: np.ndarray,
    labels: np.ndarray | None,
    artery: float | None,
    plan: Plan | None,
) -> ScanTraits:
    """Traits of the scan; its phase is the plan's, if it has one and no artery's HU is given."""
    if plan is not None and plan.phase is not None and artery is None:
        return ScanTraits(edge_spread(hu, spacing), plan.phase)
    return measure_scan(hu, spacing, labels, artery)


def _check_geometry(
    ct: sitk.Image,
    anatomy: sitk.Image | None,
    region_mask: sitk.Image | None,
    avoid: sitk.Image | None,
) -> None:
    for image, name in (
        (anatomy, "anatomy"),
        (region_mask, "region mask"),
        (avoid, "mask to avoid"),
    ):
        if image is not None:
            check_same_geometry(ct, image, f"the {name}")


def _planned(
    ct: sitk.Image,
    request: SynthesisRequest,
    anatomy: sitk.Image | None,
    region_mask: sitk.Image | None,
    avoid: sitk.Image | None,
    models: Models,
    progress: Progress,
) -> tuple[Plan, Samples]:
    progress.stage("anatomy")
    region = find_region(
        *(ct, anatomy, _user_region(ct, request, region_mask)),
        *(request.stations, request.points, request.tolerance_mm),
    )
    if avoid is not None:
        region = without(region, to_array(avoid) > 0, array_spacing(ct))
    _load(models, progress)
    if models.method == Method.difftumor and request.hilum is None:
        request = dataclasses.replace(request, hilum=0.0)  # DiffTumor's lesions have none
    return make_plan(ct, request, region, models.structure, progress)


def _load(models: Models, progress: Progress) -> None:
    """Load both models before any work, so that unusable weights are found at once."""
    progress.stage("models", 2)
    for k, name in enumerate(("structure", "texture"), 1):
        getattr(models, name)
        progress.step(k, 2)


def _user_region(
    ct: sitk.Image, request: SynthesisRequest, mask: sitk.Image | None
) -> np.ndarray | None:
    if mask is not None and (request.region_box or request.stations or request.points):
        raise InputError("give one of region mask, region box, stations and points")
    if request.region_box is not None:
        return box_mask(ct, request.region_box)
    return None if mask is None else to_array(mask) > 0


def _record(
    ct: sitk.Image,
    hu: np.ndarray,
    node: LymphNode,
    painting: Painting,
    k: int,
    repaired: bool,
    plan: Plan,
    wanted: dict[str, Any],
) -> LymphNodeRecord:
    painted = painting.nodes[k]
    around = within_reach(painted.label, node.spacing) & ~painted.changed
    start = np.array([b.start for b in painted.box])
    weights = painted.occupancy
    voxel = float(np.prod(node.spacing))
    return LymphNodeRecord(
        label=k + 1,
        center_ras_mm=_point(index_to_ras(ct, start + _middle(painted))),
        wanted_long_axis_mm=round(float(node.long_axis), 3),
        long_axis_mm=round(node.measured_long_axis(), 3),
        short_axis_mm=round(node.structure.short_axis(node.long_axis), 3),
        recist_axis_mm=round(node.recist_axis(), 3),
        long_axis_ras_mm=tuple(_point(end) for end in index_to_ras(ct, node.long_axis_ends())),
        volume_mm3=round(node.structure.volume(node.long_axis), 3),
        grid_volume_mm3=round(float(weights.sum()) * voxel, 3),
        mean_hu=round(float(painted.hu[painted.label].mean()), 2),
        surrounding_mean_hu=round(float(hu[painted.box][around].mean()), 2)
        if around.any()
        else None,
        noise_hu=round(painting.noise[k].level, 2),
        structure_repaired=repaired,
        seed=plan.seed,
        number=plan.nodes[k].number,
        station=plan.nodes[k].station,
        hilum=plan.nodes[k].hilum,
        **wanted,
    )


def _wanted(
    painting: Painting, k: int, plan: Plan, request: SynthesisRequest, method: Method
) -> dict[str, Any]:
    """What a record tells of how bright the node was to be; DiffTumor's way can't be told."""
    if method == Method.difftumor:
        return {}
    uptake = None if request.enhancement else draw_uptake(plan.seed, plan.nodes[k].number)
    return {"wanted_mean_hu": round(painting.means[k], 2), "uptake": uptake}


def _middle(painted: Inpainting) -> np.ndarray:
    """Center of mass (z, y, x) in the box; of a bent node the nearest voxel of its label."""
    weights = painted.occupancy
    middle = (
        np.array([(weights * axis).sum() for axis in np.indices(weights.shape)]) / weights.sum()
    )
    if painted.label[tuple(np.round(middle).astype(int))]:
        return middle
    voxels = np.argwhere(painted.label)
    return voxels[((voxels - middle) ** 2).sum(1).argmin()]


def _point(values: Sequence[float]) -> tuple[float, float, float]:
    return tuple(round(float(v), 3) for v in values)


def _hashes(voxels: dict[str, np.ndarray]) -> dict[str, str]:
    """SHA-256 of each array."""
    return {name: hashlib.sha256(array).hexdigest() for name, array in voxels.items()}


def _provenance(
    request: SynthesisRequest, plan: Plan, models: Models, hashes: dict[str, str]
) -> dict[str, Any]:
    import monai

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
        "request": dataclasses.asdict(request),
        "plan": dataclasses.asdict(plan),
        "enhancement_hu": request.enhancement or offsets(plan.phase),
        "input_voxels_sha256": hashes,
        "device": models.texture.device,
        "structure_precision": str(models.structure.precision).removeprefix("torch."),
    }
