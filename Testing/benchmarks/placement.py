"""Placement on a CT with TotalSegmentator's labels: is every place legal, is every station right?

Places 5 lymph nodes for each of 40 seeds, by the labels and again from HU alone, and checks them
against the labels; draws 2,000 stations for three seeds and compares them with their weights; asks
for 1,000 sizes for five seeds. With --phantom the time and memory of a large phantom are printed,
and how many of 100 lymph nodes of 1.7 to 30 mm find room in its pelvis, by size.

    python Testing/benchmarks/placement.py CT --anatomy LABELS --phantom

With --draws 2000 it does nothing but place so many lymph nodes of usual sizes, 5 at a time, in that
CT and in ten phantoms, and compares where they lie with the shares of docs/placement.md,
renormalized over those with fat in each scan.
"""

from __future__ import annotations

import resource
import time
from collections import Counter
from pathlib import Path
from typing import Annotated

import numpy as np
import SimpleITK as sitk
import typer
from rich.console import Console
from rich.table import Table
from scipy import ndimage, stats

from LNGenLib.image.geometry import array_spacing, index_to_ras
from LNGenLib.image.grid import refined
from LNGenLib.image.hu import FAT
from LNGenLib.image.io import as_ct, read_ct, to_array
from LNGenLib.phantom import pelvic_phantom
from LNGenLib.placement.candidate_region import (
    Anatomy,
    CandidateRegion,
    find_region,
    read_stations,
)
from LNGenLib.placement.heuristic import PlacedNode, draw_subregions, place_nodes
from LNGenLib.placement.stations import STATION_NAMES, STATIONS
from LNGenLib.randomness import node_rng
from LNGenLib.scan.labels import read_anatomy
from LNGenLib.structure.model import StructureModel
from LNGenLib.structure.sizes import Sizes
from LNGenLib.synthesis.models import Models
from LNGenLib.synthesis.plan import count_by_size

SEEDS, EACH = 40, 5
AT_STATIONS = {station.name: station.weight for station in STATIONS if station.weight}
console = Console(width=140)


def placed_nodes(
    region: CandidateRegion, structures: StructureModel, spacing: np.ndarray
) -> list[list[PlacedNode | None]]:
    """EACH lymph nodes for each of SEEDS seeds."""
    sets = []
    for seed in range(SEEDS):
        sizes = [Sizes("uniform", 1.7, 12.0).draw(node_rng(seed, k, "size")) for k in range(EACH)]
        shapes = structures.sample(range(EACH), sizes, seed).structures
        rngs = [node_rng(seed, k, "place") for k in range(EACH)]
        sets.append(place_nodes(shapes, sizes, region, spacing, rngs))
    return sets


def check(
    sets: list[list[PlacedNode | None]], ct: sitk.Image, labels: np.ndarray, stations: np.ndarray
) -> Counter:
    """How many nodes keep each rule; `stations` is 0 or the number of the station, as labels."""
    kept, spacing, hu = Counter(), array_spacing(ct), to_array(ct)
    smooth = ndimage.gaussian_filter(hu.astype(np.float32), (0, *np.minimum(1 / spacing[1:], 1.5)))
    fat = (smooth > FAT[0]) & (smooth < FAT[1])
    for found in sets:
        taken = np.zeros(hu.shape, bool)
        for one in found:
            kept["asked for"] += 1
            if one is None:
                continue
            kept["placed"] += 1
            box = one.node.box(float(max(3.0, spacing.max())))
            occupancy, label = one.node.occupancy(box), labels[box] > 0
            whole = not (label & (occupancy >= 0.5)).any()
            partial = (occupancy * label).sum() <= 0.02 * occupancy.sum()
            kept["off every label"] += whole and partial
            kept["apart"] += not (taken[box] & (occupancy >= 0.5)).any()
            taken[box] |= occupancy >= 0.5
            near = ndimage.distance_transform_edt(occupancy == 0, sampling=spacing) <= 3.0
            shell = (near | ndimage.binary_dilation(occupancy > 0)) & (occupancy == 0) & ~label
            kept["in fat"] += not shell.any() or fat[box][shell].mean() >= 0.7
            center = tuple(np.round(one.node.center).astype(int))
            near = stations[tuple(slice(max(k - 1, 0), k + 2) for k in center)]
            kept["at its station"] += bool((near == 1 + STATION_NAMES.index(one.station)).any())
    return kept


def station_numbers(ct: sitk.Image, labels: sitk.Image | None) -> np.ndarray:
    known = read_stations(ct, labels)
    whole = tuple(slice(0, n) for n in ct.GetSize()[::-1])
    return refined(known.stations.station, known.steps, whole)


def main(
    ct: Path,
    anatomy: Annotated[Path, typer.Option(help="TotalSegmentator's labels.")],
    phantom: Annotated[bool, typer.Option(help="Time a large phantom too.")] = False,
    draws: Annotated[int, typer.Option(help="Only compare the shares of so many nodes.")] = 0,
) -> None:
    """Print the tables."""
    image = as_ct(read_ct(ct))
    labels = read_anatomy(anatomy, image)
    structures = Models("cpu").structure
    if draws:
        compare_shares(image, labels, structures, draws)
        return
    table = Table(
        "places", "asked for", "placed", "off every label", "apart", "in fat", "at station"
    )
    for name, known in (("by labels", labels), ("from HU alone", None)):
        region = find_region(image, known)
        sets = placed_nodes(region, structures, array_spacing(image))
        kept = check(sets, image, to_array(labels), station_numbers(image, known))
        rows = ("asked for", "placed", "off every label", "apart", "in fat", "at its station")
        table.add_row(name, *(str(kept[row]) for row in rows))
    console.print(table)

    region = find_region(image, labels)
    weights = np.array(list(AT_STATIONS.values()))
    for seed in range(3):
        drawn = Counter(
            next(draw_subregions(region, k, node_rng(seed, k, "place"))).station
            for k in range(2000)
        )
        counts = [drawn[name] for name in AT_STATIONS]
        p = stats.chisquare(counts, 2000 * weights / weights.sum()).pvalue
        console.print(f"2,000 stations, seed {seed}: chi-square p {p:.3f}")
    for seed in range(5):
        sizes = [Sizes("uniform").draw(node_rng(seed, k, "size")) for k in range(1000)]
        distance = stats.kstest(sizes, stats.uniform(1.7, 28.3).cdf).statistic
        console.print(f"1,000 sizes, seed {seed}: Kolmogorov-Smirnov distance {distance:.3f}")
    if phantom:
        time_phantom(structures)


Shares = dict[str, dict[str, float]]  # of each kind of place, by what is looked at
WANTED = {
    "station": AT_STATIONS,
    "round the rectum": {"behind": 0.55, "beside": 0.35, "before": 0.10},
    "height": {"above the reflection": 0.70, "below it": 0.30},
}


def compare_shares(
    ct: sitk.Image, labels: sitk.Image, structures: StructureModel, draws: int
) -> None:
    """Print where `draws` lymph nodes lie in the CT and ten phantoms, and where they should."""
    made = (pelvic_phantom(seed, (1.0, 1.0, 2.5)) for seed in range(10))
    scans = [(ct, labels), *((phantom.ct, phantom.labels) for phantom in made)]
    seeds = range(-(-draws // EACH))
    found: list[dict[str, str]] = []
    wanted: list[Shares] = []
    walls, refused = [], 0
    for number, (image, anatomy) in enumerate(scans):
        known, region = read_stations(image, anatomy), find_region(image, anatomy)
        offered = available(known, region, image)
        for seed in seeds[number :: len(scans)]:
            sizes = [Sizes().draw(node_rng(seed, k, "size")) for k in range(EACH)]
            shapes = structures.sample(range(EACH), sizes, seed).structures
            rngs = [node_rng(seed, k, "place") for k in range(EACH)]
            for one in place_nodes(shapes, sizes, region, array_spacing(image), rngs):
                if one is None:
                    refused += 1
                    continue
                center = index_to_ras(image, one.node.center)
                found.append({"station": one.station or ""})
                if one.station == "mesorectal":
                    found[-1] |= round_the_rectum(known, center)
                    wall = known.landmarks.points("rectum") - center
                    walls.append(np.linalg.norm(wall, axis=1).min())
                wanted.append(offered)
    console.print(f"{len(found)} nodes placed in {len(scans)} scans, {refused} found no room")
    table = Table("of all", "", "wanted %", "with the fat there is %", "found %", "off, points")
    for what, nominal in WANTED.items():
        own = [(one[what], share[what]) for one, share in zip(found, wanted) if what in one]
        for name, share in nominal.items():
            due = 100 * np.mean([shares.get(name, 0.0) for _, shares in own])
            is_ = 100 * np.mean([name == place for place, _ in own])
            numbers = (100 * share, due, is_, is_ - due)
            table.add_row(what, name, *(f"{number:.1f}" for number in numbers))
    console.print(table)
    quantiles = np.quantile(walls, (0.05, 0.25, 0.5, 0.75, 0.95)).round(1).tolist()
    share = np.mean((np.array(walls) >= 4) & (np.array(walls) <= 15))
    console.print(f"center to rectal wall, mm: {quantiles} (5, 25, 50, 75, 95 %); {share:.0%} 4-15")


def round_the_rectum(known: Anatomy, center: np.ndarray) -> dict[str, str]:
    """On which side of the rectum, and at which height, a RAS point (3,) in mm lies."""
    rectum = known.landmarks.points("rectum")
    level = rectum[np.abs(rectum[:, 2] - center[2]) <= np.abs(rectum[:, 2] - center[2]).min() + 2]
    r, a = center[:2] - level[:, :2].mean(0)
    degrees = np.degrees(np.arctan2(abs(r), -a))
    side = "behind" if degrees < 45 else "beside" if degrees < 135 else "before"
    above = center[2] >= known.landmarks.heights["peritoneal reflection"]
    height = "above the reflection" if above else "below it"
    return {"round the rectum": side, "height": height}


def available(known: Anatomy, region: CandidateRegion, ct: sitk.Image) -> Shares:
    """The shares that are wanted, renormalized over places with 0.5 ml of free fat."""
    voxel = float(array_spacing(ct).prod())
    fat: dict[str, Counter] = {what: Counter() for what in WANTED}
    start = np.array([part.start for part in region.box])
    for part in region.subregions:
        voxels = part.candidates[0]
        fat["station"][part.station] += len(voxels) * voxel
        if part.station == "mesorectal":
            for point in index_to_ras(ct, voxels[::50] + start):
                for what, name in round_the_rectum(known, point).items():
                    fat[what][name] += 50 * voxel
    shares: Shares = {}
    for what, nominal in WANTED.items():
        there = {name: share for name, share in nominal.items() if fat[what][name] >= 500}
        shares[what] = {name: share / sum(there.values()) for name, share in there.items()}
    return shares


def time_phantom(structures: StructureModel) -> None:
    """512 x 512 x 174 voxels of 0.98 x 0.98 x 5 mm."""
    large = pelvic_phantom(0, (0.98, 0.98, 5.0), (512, 512, 174))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    start = time.perf_counter()
    region = find_region(large.ct, large.labels)
    prior = time.perf_counter() - start
    sizes = [Sizes("uniform").draw(node_rng(0, k, "size")) for k in range(100)]
    shapes = structures.sample(range(100), sizes, 0).structures
    spacing, start = array_spacing(large.ct), time.perf_counter()
    rngs = [node_rng(0, k, "place") for k in range(100)]
    few = place_nodes(shapes[:10], sizes[:10], region, spacing, rngs[:10])
    sampling = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    console.print(
        f"512 x 512 x 174 phantom: prior {prior:.1f} s; 10 nodes {sampling:.1f} s "
        f"({sum(one is not None for one in few)} fit); peak {peak:.2f} GiB, {before:.2f} before"
    )
    start = time.perf_counter()
    many = place_nodes(shapes, sizes, region, spacing, rngs)
    refused = count_by_size([size for size, one in zip(sizes, many) if one is None])
    asked = count_by_size(sizes)
    parts = ", ".join(
        f"{refused.get(name, 0)} of {count} of {name}" for name, count in asked.items()
    )
    console.print(f"100 nodes, {time.perf_counter() - start:.1f} s; no room for {parts}")


if __name__ == "__main__":
    typer.run(main)
