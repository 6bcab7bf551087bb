"""What does the MONAI transform cost, beside plain synthesis of the same lymph nodes?

Paints three lymph nodes of 4 to 12 mm into a crop and into a whole scan of the phantom: by the
transform, from a pool of shapes (the networks paint live) and from a painted one; and, of the very
nodes that the transform placed, `paint` alone, which generates tissue for given nodes and lays it
into the CT; and by `synthesize`, which draws and places them as well. Prints wall and CPU seconds a
case, the mean of some runs after one that warms up.

    python Testing/benchmarks/transform_speed.py --threads 2
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
import torch
import typer
from monai.data import MetaTensor
from rich.console import Console
from rich.table import Table

from LNGenLib.datasets import online
from LNGenLib.datasets.cases import read_cases
from LNGenLib.datasets.drawing import make_pool
from LNGenLib.image.geometry import array_axes, array_spacing, index_to_ras
from LNGenLib.image.io import to_array, write_image
from LNGenLib.phantom import pelvic_phantom
from LNGenLib.scan import Scan
from LNGenLib.segmentation import SynthesizeLymphNodesd
from LNGenLib.structure.lymph_node import LymphNode
from LNGenLib.structure.sizes import Sizes
from LNGenLib.synthesis.engine import synthesize
from LNGenLib.synthesis.models import Models
from LNGenLib.synthesis.painting import Painting, paint_nodes
from LNGenLib.synthesis.request import SynthesisRequest

COUNT = 3
SIZES = Sizes("uniform", 4.0, 12.0)
POOL = 24
CROP = 128  # voxels


def as_case(ct: sitk.Image) -> dict:
    """A training case as MONAI loads it."""
    affine = np.eye(4)
    affine[:3, :3] = (array_axes(ct) * array_spacing(ct))[:, ::-1]
    affine[:3, 3] = index_to_ras(ct, np.zeros(3))
    hu = torch.from_numpy(to_array(ct).transpose(2, 1, 0).copy())[None].float()
    image = MetaTensor(hu, torch.from_numpy(affine))
    return {"image": image, "label": MetaTensor(torch.zeros_like(hu), image.affine), "id": "ct"}


def timed(run: Callable[[int], None], runs: int) -> tuple[float, float]:
    """Wall and CPU seconds of a run, the mean after one that warms up."""
    run(0)
    wall, cpu = time.perf_counter(), time.process_time()
    for number in range(1, runs + 1):
        run(number)
    return (time.perf_counter() - wall) / runs, (time.process_time() - cpu) / runs


@contextmanager
def recorded() -> Iterator[list[Sequence[LymphNode]]]:
    """The lymph nodes that each call of the transform places."""
    nodes, blend_all = [], online.blend_all

    def record(hu: np.ndarray, given: Sequence[LymphNode], *rest: Any) -> Painting:
        nodes.append(given)
        return blend_all(hu, given, *rest)

    online.blend_all = record
    yield nodes
    online.blend_all = blend_all


def measure(ct: sitk.Image, labels: sitk.Image, folder: Path, models: Models, runs: int) -> dict:
    """Seconds by way of painting, and how many lymph nodes a case got."""
    write_image(ct, folder / "ct.nii.gz")
    rows, case = {}, as_case(ct)
    for name, painted in (("transform, painted pool", True), ("transform, live", False)):
        make_pool(read_cases(folder), folder / name, POOL, SIZES, 0, models, painted)
        transform = SynthesizeLymphNodesd(pool=folder / name, count=(COUNT, COUNT), seed=0)
        with recorded() as nodes:

            def draw(epoch: int, transform=transform) -> None:
                transform.set_epoch(epoch)
                transform(case)

            rows[name] = (*timed(draw, runs), np.mean([len(given) for given in nodes[1:]]))
    hu = sitk.GetArrayViewFromImage(ct)

    def same(number: int) -> None:
        paint_nodes(hu, nodes[number], number, models.texture)

    rows["paint of the live nodes"] = (*timed(same, runs), rows["transform, live"][2])

    def plain(number: int) -> None:
        request = SynthesisRequest(COUNT, SIZES, number, allow_fewer=True)
        synthesize(Scan(ct, labels), request, models)

    rows["synthesize"] = (*timed(plain, runs), float(COUNT))
    return rows


def main(size: tuple[int, int, int] = (512, 384, 174), runs: int = 5, threads: int = 2) -> None:
    """Print the table."""
    torch.set_num_threads(threads)
    phantom, models = pelvic_phantom(0, (0.75, 0.75, 1.25), size), Models("cpu")
    middle = [n // 2 for n in phantom.ct.GetSize()]
    box = tuple(slice(max(m - CROP // 2, 0), m + CROP // 2) for m in middle)
    table = Table("case", "painted by", "nodes", "wall s", "CPU s", "wall / paint", "CPU / paint")
    for name, part in (("crop", box), ("whole scan", (slice(None),) * 3)):
        ct, labels = phantom.ct[part], phantom.labels[part]
        with tempfile.TemporaryDirectory() as folder:
            rows = measure(ct, labels, Path(folder), models, runs)
        base = rows["paint of the live nodes"]
        for way, (wall, cpu, nodes) in rows.items():
            ratios = f"{wall / base[0]:.2f}", f"{cpu / base[1]:.2f}"
            size = "x".join(map(str, ct.GetSize()))
            table.add_row(
                f"{name} {size}", way, f"{nodes:.1f}", f"{wall:.2f}", f"{cpu:.2f}", *ratios
            )
    console = Console(width=140)
    console.print(f"{COUNT} nodes a case asked for, {threads} CPU threads, {runs} runs")
    console.print(table)


if __name__ == "__main__":
    typer.run(main)
