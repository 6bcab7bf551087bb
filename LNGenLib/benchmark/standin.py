"""STAND-IN for the paper's private cohort: scans with lymph nodes that no patient has.

Backgrounds are procedural phantoms of varied patients, with distractors, and crops of real CTs;
shapes are surfaces of real lymph nodes, and the tissue is that of `LNGenLib.benchmark.scanner`.
Each real CT and each patient's shapes are in one part only. What is measured on it says how ways of
training compare, not how well they do in patients.
"""

from __future__ import annotations

import csv
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from LNGenLib import __version__
from LNGenLib.benchmark.card import write_card
from LNGenLib.benchmark.distractors import add_distractors
from LNGenLib.benchmark.scanner import SimulatedScanner
from LNGenLib.errors import InputError
from LNGenLib.files import read_json, read_table, whole_file, write_json
from LNGenLib.image.geometry import array_spacing, index_to_ras
from LNGenLib.image.hu import FAT
from LNGenLib.image.io import as_ct, like, marked_synthetic, read_ct, to_array, write_image
from LNGenLib.phantom import pelvic_phantom
from LNGenLib.phantom.patient import Patient
from LNGenLib.placement.candidate_region import deep, find_region
from LNGenLib.placement.heuristic import place_nodes
from LNGenLib.progress import Progress
from LNGenLib.randomness import node_rng, node_seed
from LNGenLib.scan.totalsegmentator import OTHER_MUSCLE
from LNGenLib.structure.preparing import prepare
from LNGenLib.structure.shape import Structure
from LNGenLib.structure.sizes import Sizes

SPACING = (0.7, 0.7, 1.25)  # mm (x, y, z)
SIZE = (160, 160, 80)  # voxels (x, y, z)
NODES = 11  # a scan
REAL_EVERY = 4  # every fourth scan lies on a real CT, the others on phantoms
WIDE = (540, 400)  # voxels (x, y) of a phantom whose metal lies beside the scan
CROPS = 30  # places of a real CT that are looked at for fat
SMALL, SHAPE_UP_TO = 15.0, 20.0  # mm: smaller lymph nodes take any shape of one up to so large
FACTOR = 2.0  # larger ones take the shape of one within this factor of their long axis
MARK = "STAND-IN 2: procedural phantoms and crops of real CTs with simulated lymph nodes"


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
    StandinPart("validation", 12, Sizes("clinical"), "validation"),
    StandinPart("test clinical", 40, Sizes("clinical"), "test"),
    StandinPart("test uniform", 20, Sizes("uniform"), "test"),
)


@dataclass(frozen=True, eq=False)
class Shapes:
    """Surfaces of a split's lymph nodes, from which shapes are drawn: their files' names, TSDFs
    (n, 32, 32, 32) and long axes (n,) in mm."""

    names: np.ndarray
    tsdf: np.ndarray
    long_axes: np.ndarray

    @classmethod
    def of(cls, prepared: Path, split: str) -> Shapes:
        """Those of a split in the arrays of `structure.preparing.prepare`, of one component."""
        with np.load(prepared) as arrays:
            own = (arrays["split"] == split) & arrays["single"]
            return cls(arrays["name"][own], arrays["tsdf"][own], arrays["long_axis_mm"][own])

    def draw(self, long_axis: float, rng: np.random.Generator) -> tuple[str, Structure]:
        """A shape for a lymph node of this long axis (mm), and the name of its file: one of about
        the size, as far as there are some."""
        if long_axis < SMALL:
            near = self.long_axes <= SHAPE_UP_TO
        else:
            near = np.abs(np.log(self.long_axes / long_axis)) <= np.log(FACTOR)
        numbers = np.flatnonzero(near) if near.any() else np.arange(len(self.names))
        k = numbers[rng.integers(len(numbers))]
        return str(self.names[k]), Structure(self.tsdf[k].astype(np.float32))


def make_standin(
    data: Path,
    output: Path,
    seed: int,
    progress: Progress,
    parts: tuple[StandinPart, ...] = PARTS,
    size: tuple[int, int, int] = SIZE,
) -> None:
    """Write the scans, `cases.csv` (image, label, id, patient, part), label maps of what is no
    lymph node (`organs/`), a data card, `standin.json`, and the tables by which `lngen train
    texture` and `difftumor` take the parts train and validation, to `output`; scans that are there
    already stay.

    `data` holds `nodes/nodes.csv` with masks and `splits.csv` with CTs (docs/training.md). Raises
    InputError where a part finds none of either.
    """
    for part in parts:
        _rows(data / "nodes" / "nodes.csv", part.split)
    cts = {part.split: _rows(data / "splits.csv", part.split, "ct/") for part in parts}
    for folder in ("images", "labels", "organs", "records"):
        (output / folder).mkdir(parents=True, exist_ok=True)
    if not (output / "shapes.npz").exists():
        prepare(data, output / "shapes.npz", progress)
    shapes = {part.split: Shapes.of(output / "shapes.npz", part.split) for part in parts}
    cases = [(part, number) for part in parts for number in range(part.scans)]
    for done, (part, number) in enumerate(cases):
        progress.advance("stand-in", done, len(cases))
        if not (output / "records" / f"{part.id(number)}.json").exists():
            background = _background(data, seed, part, number, cts[part.split], size)
            _make_scan(output, seed, part, number, shapes[part.split], background)
    _write_tables(output, cases, seed)
    _write_splits(data, output, cases)


def _rows(table: Path, split: str, prefix: str = "") -> list[str]:
    if not table.exists():
        raise InputError(f"{table} does not exist: give the folder that docs/training.md describes")
    files = [row["file"] for row in read_table(table) if row["split"] == split]
    rows = [file for file in files if file.startswith(prefix)]
    if not rows:
        raise InputError(f"{table} names no {prefix or 'masks'} of the split {split}")
    return rows


@dataclass(frozen=True, eq=False)
class Background:
    """A CT before lymph nodes lie in it, arrays (z, y, x): `organs` are TotalSegmentator's and our
    numbers of what is there, None where nobody labeled it, and `room` (bool) is where nodes may
    lie."""

    ct: sitk.Image
    organs: np.ndarray | None
    room: np.ndarray
    source: str


def _background(
    data: Path,
    seed: int,
    part: StandinPart,
    number: int,
    cts: list[str],
    size: tuple[int, int, int],
) -> Background:
    rng = node_rng(seed, number, f"background {part.name}")
    if number % REAL_EVERY == REAL_EVERY - 1:
        source = cts[number // REAL_EVERY % len(cts)]
        ct = _crop(as_ct(read_ct(data / source)), size, rng)
        return Background(ct, None, deep(ct), source)
    own = node_seed(seed, number, f"phantom {part.name}")
    patient = replace(Patient.drawn(own), noise=1.0, view=None, arms=False)
    whole = size if patient.prosthesis == "none" else (*WIDE, size[2])
    phantom = pelvic_phantom(own, SPACING, whole, patient)
    corner = [(n - m) // 2 for n, m in zip(whole, size)]
    ct, organs, fat, muscle = (
        sitk.RegionOfInterest(image, size, corner)
        for image in (phantom.ct, phantom.labels, phantom.fat, phantom.muscle)
    )
    hu, labels = to_array(ct).astype(np.float32), to_array(organs)
    labels[to_array(muscle) > 0] = OTHER_MUSCLE
    room = to_array(fat) > 0
    add_distractors(hu, labels, room, array_spacing(ct), rng)
    return Background(like(np.rint(hu).astype(np.int16), ct), labels, room, f"phantom {own}")


def _make_scan(
    output: Path, seed: int, part: StandinPart, number: int, shapes: Shapes, behind: Background
) -> None:
    started, name = time.perf_counter(), part.id(number)
    rng, ct = node_rng(seed, number, f"stand-in {part.name}"), behind.ct
    spacing = array_spacing(ct)
    organs = None if behind.organs is None else like(behind.organs, ct)
    long_axes = [part.sizes.draw(rng) for _ in range(NODES)]
    drawn = [shapes.draw(long_axis, rng) for long_axis in long_axes]
    region = find_region(ct, organs, behind.room)
    structures = [structure for _, structure in drawn]
    placed = place_nodes(structures, long_axes, region, spacing, rng.spawn(NODES))
    kept = [k for k in range(NODES) if placed[k] is not None]
    nodes = [found.node for found in placed if found is not None]
    scanner = SimulatedScanner.draw(rng)
    hu, labels = scanner.scan(to_array(ct), nodes, spacing, rng)
    images = {"images": like(hu, ct), "labels": like(labels, ct)}
    if organs is not None:
        images["organs"] = organs
    for folder, image in images.items():
        write_image(marked_synthetic(image), output / folder / f"{name}.nii.gz")
    record = {
        "id": name,
        "part": part.name,
        "background": behind.source,
        "scanner": asdict(scanner),
        "nodes": [
            {
                "label": k + 1,
                "long_axis_mm": round(node.long_axis, 3),
                "center_ras_mm": index_to_ras(ct, node.center).round(3).tolist(),
                "shape": drawn[kept[k]][0],
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


def _write_splits(data: Path, output: Path, cases: list[tuple[StandinPart, int]]) -> None:
    """`splits.csv` and `nodes/nodes.csv` (docs/training.md); the masks stay where they are."""
    used = ("train", "validation")
    names = [(part.id(k), part.split) for part, k in cases if part.split in used]
    scans = [(f"images/{name}.nii.gz", split, f"labels/{name}.nii.gz") for name, split in names]
    masks = data.resolve() / "nodes"
    rows = read_table(masks / "nodes.csv")
    nodes = [(masks / row["file"], row["split"]) for row in rows if row["split"] in used]
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
    laws = {part.name: part.sizes.law for part, _ in cases}
    write_card(output, laws, records, content)
