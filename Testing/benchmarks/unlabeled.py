"""Automatic places in CTs without labels: are all of them fat of the pelvis, and none bowel?

    python Testing/benchmarks/unlabeled.py [--part test] [--first 0] [--count 60] [--labels]
    python Testing/benchmarks/unlabeled.py --count 10 --picture docs/pelves.jpg
    python Testing/benchmarks/unlabeled.py --real ../shared/data

The first asks for five lymph nodes of clinical sizes in each of the varied pelves of a set; where
../shared/data is there, every second one has stool of a real colon. A node lies in fat if no more
than 5 % of its volume, its partial volume counted, is not fat of the pelvis. The picture shows a
slice of each pelvis, and each of its nodes. The third asks for ten of 5 to 12 mm for each of five
seeds in the real pelvis, and compares them with its labels.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from PIL import Image
from rich.console import Console
from rich.table import Table
from scipy import ndimage

TESTING = Path(__file__).parents[1]
sys.path.insert(0, str(TESTING))
from real_stool import real_stool

from LNGenLib.image.io import as_ct, read_image, to_array
from LNGenLib.phantom import FIRST_SEED, varied_pelvis
from LNGenLib.phantom.patient import Patient
from LNGenLib.placement.candidate_region import NoPlace
from LNGenLib.progress import Progress
from LNGenLib.scan import Scan
from LNGenLib.structure.lymph_node import LymphNode
from LNGenLib.structure.sizes import Sizes
from LNGenLib.synthesis.models import Models
from LNGenLib.synthesis.painting import ScanTraits
from LNGenLib.synthesis.planning import make_plan
from LNGenLib.synthesis.realizing import lymph_nodes
from LNGenLib.synthesis.region import region_of
from LNGenLib.synthesis.request import SynthesisRequest

SHARED = TESTING.parents[1] / "shared/data"
MOST_OFF = 0.05  # of a node's volume
WINDOW = (-160.0, 240.0)  # HU
HIGH, NEAR, WIDE = 150, 60.0, 400.0  # pixels, and mm across the pictures of a node and of a pelvis
console = Console(width=140)


def no_traits() -> ScanTraits:
    """They are asked for where nodes have to be seen."""
    raise AssertionError


def placed(scan: Scan, request: SynthesisRequest, models: Models) -> list[tuple[str, LymphNode]]:
    """The lymph nodes that `request` gets in a scan, each with its station."""
    region = region_of(scan, request)
    plan, samples = make_plan(scan.hu, request, region, models.structure, Progress(), no_traits)
    nodes = lymph_nodes(plan, samples.structures, scan.hu)
    return [(str(one.station), node) for one, node in zip(plan.nodes, nodes)]


def share_in(node: LymphNode, mask: np.ndarray) -> float:
    """The share of a node's volume that lies in a mask (z, y, x, bool)."""
    box = node.box(0)
    occupancy = node.occupancy(box)
    return float((occupancy * mask[box]).sum() / occupancy.sum())


def crop(hu: np.ndarray, node: LymphNode, width: float, center: np.ndarray) -> Image.Image:
    """An axial slice (z, y, x) through a node, with its outline, `width` mm across."""
    inside = np.zeros(hu.shape[1:], bool)
    z, y, x = node.box(0)
    middle = int(round(node.center[0]))
    inside[y, x] = node.occupancy((slice(middle, middle + 1), y, x))[0] >= 0.5
    low, high = WINDOW
    gray = np.clip((hu[middle] - low) / (high - low), 0, 1) * 255
    picture = np.repeat(gray[..., None], 3, 2).astype(np.uint8)
    picture[ndimage.binary_dilation(inside) & ~inside] = (0, 255, 0)
    rows, columns = (width * share / step for share, step in zip((0.75, 1), node.spacing[1:]))
    rows = columns if width == NEAR else rows
    y, x = center[1:]
    corners = (x - columns / 2, y - rows / 2, x + columns / 2, y + rows / 2)
    shown = Image.fromarray(picture).crop(tuple(round(one) for one in corners))
    return shown.resize((round(HIGH * columns / rows), HIGH))


def row_of(hu: np.ndarray, nodes: list[LymphNode]) -> np.ndarray:
    """A slice of the pelvis through its first node, and all nodes."""
    views = [crop(hu, nodes[0], WIDE, np.array(hu.shape) / 2)]
    views += [crop(hu, node, NEAR, node.center) for node in nodes]
    return np.concatenate([np.asarray(view) for view in views], 1)


def in_phantoms(
    part: str, first: int, count: int, labels: bool, picture: Path | None, models: Models
) -> None:
    """Print what lies where in varied pelves."""
    rows: list[np.ndarray] = []
    stool = real_stool(SHARED) if SHARED.is_dir() else []
    table = Table("pelvis", "patient", "placed", "in fat", "in a lumen", "seconds of the region")
    refused, total = 0, np.zeros(3, int)
    for number in range(first, first + count):
        filled = stool[number // 2 % len(stool)] if stool and number % 2 else None
        phantom = varied_pelvis(number, part, filled)
        fat, lumen = (to_array(image) > 0 for image in (phantom.fat, phantom.lumen))
        request = SynthesisRequest(5, seed=number, allow_fewer=True)
        scan = Scan(phantom.ct, phantom.labels if labels else None)
        start = time.perf_counter()
        try:
            region_of(scan, request)
            seconds = time.perf_counter() - start
            nodes = placed(scan, request, models)
        except NoPlace as error:
            refused += 1
            console.print(number, "refused:", error)
            continue
        rows.append(row_of(to_array(scan.hu), [node for _, node in nodes]))
        off = [(station, 1 - share_in(node, fat)) for station, node in nodes]
        bad = [f"{station} {share:.0%} off" for station, share in off if share > MOST_OFF]
        within = sum(share_in(node, lumen) > 0 for _, node in nodes)
        total += (len(nodes), len(nodes) - len(bad), within)
        person = Patient.drawn(FIRST_SEED[part] + number)
        words = f"{person.rectum}, {person.sigmoid}, {person.noise or 0:.0f} HU"
        kept = ", ".join([str(len(nodes) - len(bad)), *bad])
        row = (str(number), words, str(len(nodes)), kept, str(within), f"{seconds:.1f}")
        table.add_row(*row)
        console.print(*row, sep=" | ")
    if picture is not None:
        wide = max(row.shape[1] for row in rows)
        padded = [np.pad(row, ((0, 4), (0, wide - row.shape[1]), (0, 0))) for row in rows]
        halves = [np.concatenate(padded[k::2]) for k in range(2)]
        high = max(len(half) for half in halves)
        halves = [np.pad(half, ((0, high - len(half)), (0, 8), (0, 0))) for half in halves]
        Image.fromarray(np.concatenate(halves, 1)).save(picture, quality=80)
    console.print(table)
    words = "{} lymph nodes: {} in fat of the pelvis, {} in a lumen; {} of {} pelves refused"
    console.print(words.format(*total, refused, count))


def in_real_pelvis(data: Path, models: Models) -> None:
    """Print how many lymph nodes lie on a label that the placement was not given."""
    ct = as_ct(read_image(data / "ct/totalsegmentator_pelvis.nii.gz"))
    labeled = to_array(read_image(data / "ct/totalsegmentator_pelvis_seg.nii.gz")) > 0
    table = Table("seed", "placed", "off every label", "largest share on one")
    for seed in range(5):
        request = SynthesisRequest(10, Sizes("uniform", 5, 12), seed)
        nodes = placed(Scan(ct), request, models)
        on = [labeled[node.box(0)][node.occupancy(node.box(0)) >= 0.5].any() for _, node in nodes]
        most = max(share_in(node, labeled) for _, node in nodes)
        table.add_row(str(seed), str(len(nodes)), str(len(nodes) - sum(on)), f"{most:.1%}")
    console.print(table)


def main(
    part: str = "test",
    first: int = 0,
    count: int = 60,
    labels: Annotated[bool, typer.Option(help="Give the phantoms' labels, too.")] = False,
    picture: Annotated[Path | None, typer.Option(help="Show them in this .jpg or .png.")] = None,
    real: Annotated[Path | None, typer.Option(help="Folder of real data.")] = None,
) -> None:
    """Place lymph nodes without labels, and compare with the truth."""
    models = Models("cpu")
    if real is not None:
        in_real_pelvis(real, models)
    else:
        in_phantoms(part, first, count, labels, picture, models)


if __name__ == "__main__":
    typer.run(main)
