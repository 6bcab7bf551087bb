"""Are 1,000 structures sound, and of the sizes asked for?

Prints the shares of one component, without holes, of genus 0 and watertight at the first draw, as
drawn (those with islands, holes or tunnels are drawn again), and repaired; the shares drawn again
and repaired; the largest error of the long axis, measured anew on the placed
signed distance; and for five seeds the Kolmogorov-Smirnov distance of 1,000 uniform sizes to
uniform.

    python Testing/benchmarks/structure_soundness.py
"""

from __future__ import annotations

import numpy as np
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table
from scipy import stats
from scipy.spatial.transform import Rotation

from LNGenLib.evaluation.shape import TOPOLOGY, measure_shapes
from LNGenLib.randomness import node_rng
from LNGenLib.structure.lymph_node import LymphNode
from LNGenLib.structure.model import ATTEMPTS, StructureModel
from LNGenLib.structure.repair import repair
from LNGenLib.structure.shape import Structure
from LNGenLib.structure.sizes import Sizes

SPACING = np.array([2.5, 0.8, 0.8])  # mm, of the CT in which a node is placed


def size_error(tsdf: np.ndarray, size: float, rng: np.random.Generator) -> float:
    """Relative error of the long axis of a structure placed at a random turn."""
    turn = Rotation.random(random_state=rng).as_matrix()
    node = LymphNode(Structure(tsdf), size, turn, np.zeros(3), SPACING)
    return abs(node.measured_long_axis() / size - 1)


def main(count: int = 1000, seed: int = 0) -> None:
    """Print the tables."""
    console = Console()
    model = StructureModel()
    first, drawn = (model.draw(count, seed, attempts=attempts) for attempts in (1, ATTEMPTS))
    repaired, changed = zip(*(repair(tsdf) for tsdf in drawn), strict=True)
    measures = [measure_shapes(tsdf) for tsdf in (first, drawn, np.stack(repaired))]
    table = Table(f"of {count} structures", "first draw", "as drawn", "repaired")
    for name in TOPOLOGY:
        table.add_row(name, *(f"{measure[name].mean():.1%}" for measure in measures))
    console.print(table)
    again = np.mean([(a != b).any() for a, b in zip(first, drawn, strict=True)])
    console.print(f"{again:.1%} were drawn again, {np.mean(changed):.1%} repaired")

    sizes = Sizes("uniform")
    wanted = [sizes.draw(node_rng(seed, k, "size")) for k in range(count)]
    errors = [
        size_error(repaired[k], wanted[k], node_rng(seed, k, "place"))
        for k in track(range(count), "sizes", console=Console(stderr=True))
    ]
    console.print(
        f"long axis, {min(wanted):.1f} to {max(wanted):.1f} mm: "
        f"error {np.mean(errors):.2%} on average, {max(errors):.2%} at most"
    )
    uniform = stats.uniform(sizes.low_mm, sizes.high_mm - sizes.low_mm).cdf
    for each in range(5):
        draws = [sizes.draw(node_rng(each, k, "size")) for k in range(1000)]
        console.print(f"seed {each}: KS distance {stats.kstest(draws, uniform).statistic:.3f}")


if __name__ == "__main__":
    typer.run(main)
