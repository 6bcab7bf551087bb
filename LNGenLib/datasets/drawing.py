"""`lngen pool`: draws the lymph nodes of a pool, and looks where they may lie."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from LNGenLib import __version__
from LNGenLib.datasets.case import Case, anatomy_of
from LNGenLib.datasets.pool import DESCRIPTION, SPOTS, STRUCTURES, TISSUES
from LNGenLib.errors import InputError
from LNGenLib.image.geometry import array_spacing, index_to_ras
from LNGenLib.image.io import to_array
from LNGenLib.output import output_folder, write_json
from LNGenLib.placement.nearby import draw_spots
from LNGenLib.randomness import case_seed, node_rng, node_seed
from LNGenLib.structure.hilum import has_hilum, with_hila
from LNGenLib.structure.lymph_node import LymphNode
from LNGenLib.structure.sizes import Sizes
from LNGenLib.synthesis.engine import Models
from LNGenLib.synthesis.enhancement import draw_means, measure_enhancement
from LNGenLib.synthesis.painting import measure_scan
from LNGenLib.synthesis.progress import Progress

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
    progress: Progress | None = None,
) -> None:
    """Write a pool of `count` lymph nodes and of the spots in `cases` into the folder `output`.

    Of the lymph nodes of a `painted` pool the tissue is generated as well, each in the CT of one
    of the cases in turn. `anatomy` is a folder of TotalSegmentator's labels named by the cases'
    ids. Raises InputError for unusable cases, and names them.
    """
    if (output / DESCRIPTION).exists():
        raise InputError(f"{output} holds a pool: give a new folder")
    progress = progress or Progress()
    numbers = range(count)
    long_axes = [sizes.draw(node_rng(seed, k, "size")) for k in numbers]
    progress.stage("structures")
    structures = models.structure.sample(numbers, long_axes, seed, on_step=progress.step).structures
    hila = [has_hilum(seed, k, long_axes[k]) for k in numbers]
    structures = with_hila(structures, seed, numbers, hila)
    told: dict[str, Any] = {}
    spots: dict[str, np.ndarray] = {}
    tissues = np.zeros((count, *structures[0].tsdf.shape), np.float16) if painted else None
    progress.stage("cases", len(cases))
    for place, case in enumerate(cases):
        try:
            ct, real = case.load()
            labels = None if anatomy is None else anatomy_of(case, anatomy, ct)
            rng = np.random.default_rng(case_seed(seed, case.id))
            found = draw_spots(ct, labels, SPOTS_A_CASE, rng)
        except InputError as error:
            raise InputError(f"case {case.id}: {error}") from error
        spots[case.id] = index_to_ras(ct, found).astype(np.float32)
        spacing, hu = array_spacing(ct), sitk.GetArrayViewFromImage(ct)
        traits = measure_scan(hu, spacing, None if labels is None else to_array(labels))
        enhancement = None
        if real is not None:
            shown = hu, to_array(real), spacing, traits.edge_spread, traits.phase.muscle_hu
            enhancement = measure_enhancement(*shown)
        told[case.id] = {
            "spacing_mm": spacing.tolist(),
            "edge_spread_mm": traits.edge_spread,
            "phase": dataclasses.asdict(traits.phase),
            "enhancement_hu": enhancement,
        }
        if painted:
            own = [k for k in numbers if k % len(cases) == place]
            nodes = [
                LymphNode(structures[k], long_axes[k], np.eye(3), found[k % SPOTS_A_CASE], spacing)
                for k in own
            ]
            means = draw_means(traits.phase, own, seed, enhancement)
            seeds = [node_seed(seed, k, "texture") for k in own]
            for k, mean, tissue in zip(own, means, models.texture.sample(hu, nodes, means, seeds)):
                tissues[k] = tissue.hu - mean
        progress.step(place + 1, len(cases))
    weights = {"structure": models.structure.description["sha256"]}
    if painted:
        weights["texture"] = models.texture.description["sha256"]
    with output_folder(output) as folder:
        np.save(folder / STRUCTURES, np.stack([s.tsdf for s in structures]).astype(np.float16))
        if painted:
            np.save(folder / TISSUES, tissues)
        np.savez_compressed(folder / SPOTS, **spots)
        content = {
            "synthetic": True,
            "software": f"LNGen {__version__}",
            "weights": weights,
            "seed": seed,
            "sizes": dataclasses.asdict(sizes),
            "painted": painted,
            "cases": told,
            "long_axes_mm": [round(value, 6) for value in long_axes],
        }
        write_json(content, folder / DESCRIPTION)
    progress.finish()
