"""STAND-IN for the paper's private cohort: scans with lymph nodes that no patient has.

Backgrounds are procedural phantoms and crops of real CTs, shapes are masks of real lymph nodes, and
the tissue is that of `LNGenLib.benchmark.scanner`. Each real CT and each patient's masks are in one
part only. What is measured on it says how ways of training compare, not how well they do in
patients.
"""

from __future__ import annotations

import csv
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from LNGenLib import __version__
from LNGenLib.benchmark.scanner import SimulatedScanner
from LNGenLib.errors import InputError
from LNGenLib.files import read_json, read_table, whole_file, write_json
from LNGenLib.image.geometry import array_spacing, index_to_ras
from LNGenLib.image.hu import FAT
from LNGenLib.image.io import as_ct, like, marked_synthetic, read_ct, to_array, write_image
from LNGenLib.phantom import pelvic_phantom
from LNGenLib.placement.candidate_region import find_region
from LNGenLib.placement.heuristic import place_nodes
from LNGenLib.progress import Progress
from LNGenLib.randomness import node_rng, node_seed
from LNGenLib.structure.preparing import read_surface
from LNGenLib.structure.shape import Structure
from LNGenLib.structure.sizes import Sizes

SPACING = (0.7, 0.7, 1.25)  # mm (x, y, z)
SIZE = (160, 160, 80)  # voxels (x, y, z)
NODES = 11  # a scan
REAL_EVERY = 4  # every fourth scan lies on a real CT, the others on phantoms
CROPS = 30  # places of a real CT that are looked at for fat
MARK = "STAND-IN: procedural phantoms and crops of real CTs with simulated lymph nodes"


@dataclass(frozen=True)
class StandinPart:
    """A part of the stand-in: its number of scans, the distribution of its nodes' long axes, and
    the split of the real data from which its shapes and CTs come."""

    name: str
    scans: int
    sizes: Sizes
    split: str

    def id(self, number: int) -> str:
        """The id of a scan."""
        return f"{self.name.replace(' ', '_')}_{number:02d}"


PARTS = (
    StandinPart("train", 20, Sizes("clinical"), "train"),
    StandinPart("validation", 5, Sizes("clinical"), "validation"),
    StandinPart("test uniform", 20, Sizes("uniform"), "test"),
    StandinPart("test skewed", 20, Sizes("clinical"), "test"),
)


def make_standin(
    data: Path,
    output: Path,
    seed: int,
    progress: Progress,
    parts: tuple[StandinPart, ...] = PARTS,
    size: tuple[int, int, int] = SIZE,
) -> None:
    """Write the scans, `cases.csv` (image, label, id, patient, part), `standin.json`, and the
    tables by which `lngen train texture` and `difftumor` take the parts train and validation, to
    `output`; scans that are there already stay.

    `data` holds `nodes/nodes.csv` with masks and `splits.csv` with CTs (docs/training.md). Raises
    InputError where a part finds none of either.
    """
    shapes = {part.split: _rows(data / "nodes" / "nodes.csv", part.split) for part in parts}
    cts = {part.split: _rows(data / "splits.csv", part.split, "ct/") for part in parts}
    for folder in ("images", "labels", "records"):
        (output / folder).mkdir(parents=True, exist_ok=True)
    cases = [(part, number) for part in parts for number in range(part.scans)]
    for done, (part, number) in enumerate(cases):
        progress.advance("stand-in", done, len(cases))
        if not (output / "records" / f"{part.id(number)}.json").exists():
            _make_scan(data, output, seed, part, number, shapes[part.split], cts[part.split], size)
    _write_tables(output, cases, seed)
    _write_splits(data, output, cases, shapes)


def _rows(table: Path, split: str, prefix: str = "") -> list[str]:
    if not table.exists():
        raise InputError(f"{table} does not exist: give the folder that docs/training.md describes")
    files = [row["file"] for row in read_table(table) if row["split"] == split]
    rows = [file for file in files if file.startswith(prefix)]
    if not rows:
        raise InputError(f"{table} names no {prefix or 'masks'} of the split {split}")
    return rows


def _make_scan(
    data: Path,
    output: Path,
    seed: int,
    part: StandinPart,
    number: int,
    shapes: list[str],
    cts: list[str],
    size: tuple[int, int, int],
) -> None:
    started, name = time.perf_counter(), part.id(number)
    rng = node_rng(seed, number, f"stand-in {part.name}")
    if number % REAL_EVERY == REAL_EVERY - 1:
        source = cts[number // REAL_EVERY % len(cts)]
        background, organs = _crop(as_ct(read_ct(data / source)), size, rng), None
    else:
        own = node_seed(seed, number, f"phantom {part.name}")
        phantom = pelvic_phantom(own, SPACING, size)
        background, organs, source = phantom.ct, phantom.labels, f"phantom of seed {own}"
    spacing = array_spacing(background)
    files = [shapes[k] for k in rng.integers(len(shapes), size=NODES)]
    structures = [Structure(read_surface(data / "nodes" / file).tsdf) for file in files]
    long_axes = [part.sizes.draw(rng) for _ in files]
    region = find_region(background, organs, np.ones(background.GetSize()[::-1], bool))
    placed = place_nodes(structures, long_axes, region, spacing, rng.spawn(NODES))
    kept = [k for k in range(NODES) if placed[k] is not None]
    nodes = [found.node for found in placed if found is not None]
    scanner = SimulatedScanner.draw(rng)
    hu, labels = scanner.scan(to_array(background), nodes, spacing, rng)
    write_image(marked_synthetic(like(hu, background)), output / "images" / f"{name}.nii.gz")
    write_image(marked_synthetic(like(labels, background)), output / "labels" / f"{name}.nii.gz")
    record = {
        "id": name,
        "part": part.name,
        "background": source,
        "scanner": asdict(scanner),
        "nodes": [
            {
                "label": k + 1,
                "long_axis_mm": round(node.long_axis, 3),
                "center_ras_mm": index_to_ras(background, node.center).round(3).tolist(),
                "shape": files[kept[k]],
            }
            for k, node in enumerate(nodes)
        ],
        "no_room_mm": [round(long_axes[k], 3) for k in range(NODES) if k not in kept],
        "seconds": round(time.perf_counter() - started, 2),
    }
    write_json(record, output / "records" / f"{name}.json")


def _crop(ct: sitk.Image, size: tuple[int, int, int], rng: np.random.Generator) -> sitk.Image:
    """The crop with most fat of some drawn at random, on the stand-in's spacing."""
    spacing = np.array(ct.GetSpacing())
    whole = np.array(ct.GetSize()) * spacing
    wanted = np.minimum(np.array(size) * SPACING, whole)
    fat = (to_array(ct) > FAT[0]) & (to_array(ct) < FAT[1])
    fat = ndimage.uniform_filter(fat.astype(np.float32), (wanted / spacing)[::-1].astype(int))
    starts = rng.uniform(0, 1, (CROPS, 3)) * (whole - wanted)
    middles = np.floor((starts + wanted / 2) / spacing).astype(int)
    start = starts[fat[tuple(middles.T[::-1])].argmax()]
    grid = sitk.Image(np.floor(wanted / SPACING).astype(int).tolist(), sitk.sitkInt16)
    grid.SetSpacing(SPACING)
    grid.SetDirection(ct.GetDirection())
    grid.SetOrigin(ct.TransformContinuousIndexToPhysicalPoint((start / spacing).tolist()))
    return sitk.Resample(ct, grid, sitk.Transform(), sitk.sitkLinear, -1000)


def _write_splits(
    data: Path, output: Path, cases: list[tuple[StandinPart, int]], shapes: dict[str, list[str]]
) -> None:
    """`splits.csv` and `nodes/nodes.csv` (docs/training.md); the masks stay where they are."""
    used = ("train", "validation")
    names = [(part.id(k), part.split) for part, k in cases if part.split in used]
    scans = [(f"images/{name}.nii.gz", split, f"labels/{name}.nii.gz") for name, split in names]
    masks = data.resolve() / "nodes"
    nodes = [(masks / file, split) for split in used for file in shapes.get(split, [])]
    _write_csv(output / "splits.csv", ("file", "split", "labels"), scans)
    _write_csv(output / "nodes" / "nodes.csv", ("file", "split"), nodes)


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence]) -> None:
    with whole_file(path) as temporary, temporary.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def _write_tables(output: Path, cases: list[tuple[StandinPart, int]], seed: int) -> None:
    names = [part.id(k) for part, k in cases]
    records = [read_json(output / "records" / f"{name}.json") for name in names]
    rows = [
        (f"images/{name}.nii.gz", f"labels/{name}.nii.gz", name, name, part.name)
        for name, (part, _) in zip(names, cases)
    ]
    _write_csv(output / "cases.csv", ("image", "label", "id", "patient", "part"), rows)
    content = {
        "synthetic": True,
        "stand_in": MARK,
        "seed": seed,
        "software": f"LNGen {__version__}",
        "nodes": sum(len(record["nodes"]) for record in records),
        "no_room": sum(len(record["no_room_mm"]) for record in records),
        "seconds": round(sum(record["seconds"] for record in records)),
    }
    write_json(content, output / "standin.json")
