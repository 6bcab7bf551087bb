"""`lngen pool`: draws the lymph nodes of a pool, and looks where they may lie."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from LNGenLib import __version__
from LNGenLib.datasets.case import Case, scan_of
from LNGenLib.datasets.pool import DESCRIPTION, SPOTS, STRUCTURES, TISSUES
from LNGenLib.errors import InputError
from LNGenLib.files import output_folder, write_json
from LNGenLib.image.geometry import index_to_ras
from LNGenLib.image.io import to_array
from LNGenLib.placement.nearby import draw_spots
from LNGenLib.progress import SILENT, Progress
from LNGenLib.randomness import case_seed, node_rng
from LNGenLib.structure.lymph_node import LymphNode
from LNGenLib.structure.shape import Structure
from LNGenLib.structure.sizes import Sizes
from LNGenLib.synthesis.appearance import Appearance, draw_appearance
from LNGenLib.synthesis.enhancement import Enhancement, draw_means, measure_enhancement
from LNGenLib.synthesis.models import Models
from LNGenLib.synthesis.painting import ScanTraits, make_tissues, measure_scan
from LNGenLib.synthesis.realizing import sample_structures
from LNGenLib.synthesis.request import HARDLY_SEEN, SynthesisRequest
from LNGenLib.validation import whole

SPOTS_A_CASE = 2000


def make_pool(
    cases: Sequence[Case],
    output: Path,
    count: int,
    sizes: Sizes,
    seed: int,
    models: Models,
    painted: bool = False,
    anatomy: Path | None = None,
    progress: Progress = SILENT,
    least_conspicuity: float = HARDLY_SEEN,
) -> dict[str, str]:
    """Write a pool of `count` lymph nodes and of the spots in `cases` into the folder `output`;
    returns why cases were left out.

    Of the lymph nodes of a `painted` pool the tissue is generated as well, each in the CT of one
    of the cases in turn. `anatomy` is a folder of TotalSegmentator's labels named by the cases'
    ids. Where a lymph node would have less than `least_conspicuity`, it will be left out. Raises
    InputError where no case can be used.
    """
    if (output / DESCRIPTION).exists():
        raise InputError(f"{output} holds a pool: give a new folder")
    count, seed = whole(count, "number of lymph nodes"), whole(seed, "seed")
    numbers = range(count)
    long_axes = [sizes.draw(node_rng(seed, k, "size")) for k in numbers]
    progress.stage("structures")
    request = SynthesisRequest(None, sizes, seed, least_conspicuity=least_conspicuity)
    looks = [draw_appearance(request, k, long_axes[k]) for k in numbers]
    asked = [request.shape] * count
    structures = sample_structures(
        request, models.structure, numbers, long_axes, looks, asked, progress
    ).structures
    seen, left_out = _look(cases, anatomy, seed, progress)
    tissues = (
        _paint(seen, structures, long_axes, looks, seed, models, progress) if painted else None
    )
    spots: dict[str, Any] = {one.case.id: one.points for one in seen}
    with output_folder(output) as folder:
        np.save(folder / STRUCTURES, np.stack([s.tsdf for s in structures]).astype(np.float16))
        if tissues is not None:
            np.save(folder / TISSUES, tissues)
        np.savez_compressed(folder / SPOTS, **spots)
        content = {
            "synthetic": True,
            "software": f"LNGen {__version__}",
            **_weights(models, painted),
            "seed": seed,
            "sizes": dataclasses.asdict(sizes),
            "painted": painted,
            "least_conspicuity": least_conspicuity,
            "cases": {one.case.id: one.to_json() for one in seen},
            "left_out": left_out,
            "looks": [vars(look) for look in looks],
            "long_axes_mm": [round(value, 6) for value in long_axes],
        }
        write_json(content, folder / DESCRIPTION)
    progress.finish()
    return left_out


@dataclasses.dataclass(frozen=True, eq=False)
class _Seen:
    """What a case shows: where lymph nodes may lie, as voxels (n, 3; z, y, x) and as points (n, 3;
    RAS mm), and how they are to look there."""

    case: Case
    spacing: np.ndarray
    voxels: np.ndarray
    points: np.ndarray
    traits: ScanTraits
    enhancement: Enhancement | None

    def to_json(self) -> dict[str, Any]:
        return {
            "spacing_mm": self.spacing.tolist(),
            "edge_spread_mm": self.traits.edge_spread,
            "phase": dataclasses.asdict(self.traits.phase),
            "enhancement_hu": self.enhancement,
        }


def _look(
    cases: Sequence[Case], anatomy: Path | None, seed: int, progress: Progress
) -> tuple[list[_Seen], dict[str, str]]:
    """What the cases show that can be used, and why others are left out; InputError where all
    are."""
    seen, left_out = [], {}
    progress.stage("cases", len(cases))
    for number, case in enumerate(cases, 1):
        try:
            seen.append(_see(case, anatomy, seed))
        except InputError as error:
            left_out[case.id] = str(error)
        progress.step(number, len(cases))
    if not seen:
        name, why = next(iter(left_out.items()), ("none", "none is given"))
        raise InputError(f"no case can be used; {name}: {why}")
    return seen, left_out


def _see(case: Case, anatomy: Path | None, seed: int) -> _Seen:
    source = case.load()
    scan, real = scan_of(case, source, anatomy), source.nodes
    rng = np.random.default_rng(case_seed(seed, case.id))
    voxels = draw_spots(scan.hu, scan.anatomy, SPOTS_A_CASE, rng)
    spacing, hu = scan.spacing, sitk.GetArrayViewFromImage(scan.hu)
    traits = measure_scan(hu, spacing, None if scan.anatomy is None else to_array(scan.anatomy))
    enhancement = None
    if real is not None:
        enhancement = measure_enhancement(
            hu, to_array(real), spacing, traits.edge_spread, traits.phase.muscle_hu
        )
    points = index_to_ras(scan.ct, voxels).astype(np.float32)
    return _Seen(case, spacing, voxels, points, traits, enhancement)


def _paint(
    seen: Sequence[_Seen],
    structures: Sequence[Structure],
    long_axes: Sequence[float],
    looks: Sequence[Appearance],
    seed: int,
    models: Models,
    progress: Progress,
) -> np.ndarray:
    """HU over the mean (n, z, y, x; float16) of the tissue of each structure, the cases in turn;
    even, as a necrotic core's HU do not follow the mean."""
    tissues = np.zeros((len(structures), *structures[0].tsdf.shape), np.float16)
    progress.stage("tissue", len(seen))
    for place, one in enumerate(seen):
        own = range(place, len(structures), len(seen))
        if own:
            ct = one.case.load().ct
            hu = sitk.GetArrayViewFromImage(ct)
            nodes = [
                LymphNode(structures[k], long_axes[k], np.eye(3), center, one.spacing)
                for k, center in zip(own, one.voxels[np.array(own) % SPOTS_A_CASE])
            ]
            kinds = [looks[k].appearance for k in own]
            means = draw_means(one.traits.phase, own, seed, one.enhancement, kinds)
            made = make_tissues(hu, nodes, means, seed, models.texture, own, None)
            for k, mean, tissue in zip(own, means, made):
                tissues[k] = tissue.hu - mean
        progress.step(place + 1, len(seen))
    return tissues


def _weights(models: Models, painted: bool) -> dict[str, Any]:
    """With which weights a pool is drawn, and which of them are not those that LNGen ships."""
    names = ("structure", "texture") if painted else ("structure",)
    own = [name for name in names if getattr(models, f"{name}_weights") is not None]
    hashes = {name: getattr(models, name).description["sha256"] for name in names}
    return {"weights": hashes, "own_weights": own}
