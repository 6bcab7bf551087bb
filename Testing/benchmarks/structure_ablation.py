"""Table II of LN-Gen on real lymph nodes: three variants, simple models, and a control.

Takes the arrays that `lngen train structure` prepared (structure.npz) and prints how close as many
generated shapes as there are real ones come to them (docs/evaluation.md explains the columns).
Shapes are scored twice: as the generators leave them at the first draw, not repaired; and each
scaled and centered by its own long axis, as a lymph node of a wanted size is made of it and as
`lngen evaluate structures` does. So scaled, as many as there are training shapes are scored against
the test patients alone, too: --seeds draws of the variants, since it is luck with so few real ones.
With --gallery a figure of real and generated shapes is written.

    python Testing/benchmarks/structure_ablation.py runs/structure/structure.npz
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Optional

import numpy as np
import torch
import typer
from gallery import render
from LNGenLib.structure.variant import Variant
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch.utils.flop_counter import FlopCounterMode

from LNGenLib.errors import InputError
from LNGenLib.evaluation.loading import read_real
from LNGenLib.evaluation.structures import Estimate, Reference, Scores
from LNGenLib.structure.baselines import Ellipsoids, Flow, Gaussian
from LNGenLib.structure.descriptors import DESCRIPTORS
from LNGenLib.structure.frame import GRID
from LNGenLib.structure.model import StructureModel
from LNGenLib.structure.networks import LATENT_GRID, ExplicitNetworks, StructureNetworks
from LNGenLib.structure.shape import Structure
from LNGenLib.structure.tsdf import tsdf_from_distance

FORM = ("sphericity", "solidity", "elongation")


def interval(estimate: Estimate) -> str:
    return f"{estimate.value:.3f} ({estimate.low:.3f}-{estimate.high:.3f})"


def row(scores: Scores) -> list[str]:
    estimates = (scores.precision, scores.recall, scores.density, scores.coverage)
    topology = scores.topology
    return [
        *map(interval, estimates),
        f"{scores.memorization:.2f}",
        f"{scores.nearest_neighbor_accuracy:.2f}",
        f"{topology['one component, no holes']:.1%}",
        f"{topology['genus 0']:.1%}",
        *(f"{scores.form[name].mean:.3f}" for name in FORM),
    ]


def gflops(call: Callable[[], object]) -> float:
    with FlopCounterMode(display=False) as counter:
        call()
    return counter.get_total_flops() / 1e9


def training_tflops(networks: StructureNetworks | ExplicitNetworks) -> float:
    """Forward and backward passes (three times the forward's cost) of the whole training."""
    networks = type(networks)(networks.config)  # MONAI's own layers: the counter knows no others
    config, shape = networks.config, torch.zeros(1, 1, GRID, GRID, GRID)
    z = torch.zeros(1, networks.channels, *[LATENT_GRID] * 3)
    condition, t = torch.zeros(1, DESCRIPTORS, *[LATENT_GRID] * 3), torch.zeros(1, dtype=int)
    unet = gflops(lambda: networks.diffusion.velocity(z, t, condition))
    drawn = (config.diffusion_steps + config.deformed_steps) * config.diffusion_batch_size
    if isinstance(networks, ExplicitNetworks):
        return drawn * 3 * unet / 1e3
    joint = config.joint_steps * config.diffusion_batch_size
    encoder = gflops(lambda: networks.autoencoder.encode(shape))
    decoder = gflops(lambda: networks.autoencoder.decode(z))
    noise = torch.zeros(1, *networks.adapter.noise_shape)
    adapter = gflops(lambda: networks.adapter(shape, noise))
    seen = (config.solid_steps + config.vae_steps) * config.vae_batch_size
    vae = seen * 3 * (encoder + decoder)
    restored = joint / 8 + config.adapter_steps * config.adapter_batch_size
    return (vae + (joint + drawn) * 3 * unet + restored * (decoder + 6 * adapter)) / 1e3


@cache
def models() -> dict[Variant, StructureModel]:
    """The variants whose weights are there."""
    found = {}
    for variant in Variant:
        with suppress(InputError):
            found[variant] = StructureModel(variant=variant)
    return found


def sets(reference: Reference, count: int, seed: int) -> Iterator[tuple[str, np.ndarray]]:
    """Name and TSDFs of each row."""
    train = reference.real.tsdf[reference.real.split == "train"]
    yield "mirrored training shapes", reference.mirrored(count)
    yield "ellipsoids, elastic", Ellipsoids.fit(train).sample(count, seed)
    yield "Gaussian in PCA space", Gaussian.fit(train).sample(count, seed)
    yield "flow in PCA space", Flow.fit(train).sample(count, seed)
    yield from variants(count, seed)


def variants(count: int, seed: int) -> Iterator[tuple[str, np.ndarray]]:
    """Name and TSDFs of each variant whose weights are there."""
    for variant, model in models().items():
        yield variant.value, model.draw(count, seed, attempts=1)


def framed(tsdf: np.ndarray) -> np.ndarray:
    """TSDFs scaled and centered by their own long axes, as those of `lngen structures` are read."""
    structures = [Structure(shape) for shape in tsdf]
    return np.stack(
        [tsdf_from_distance(s.full_distance(2.0), (s.sample_mm(2.0),) * 3)[0] for s in structures]
    )


def empty_table(title: str) -> Table:
    return Table(
        *("shapes", "precision", "recall", "density", "coverage", "memorization", "1-NNA"),
        *("one, no holes", "genus 0", *FORM),
        title=title,
    )


def held_out_row(name: str, drawn: list[dict[str, Estimate]]) -> list[str]:
    """Precision, recall and coverage: of several draws the mean, the lowest and the highest."""
    cells = []
    for measure in ("precision", "recall", "coverage"):
        values = [estimates[measure].value for estimates in drawn]
        extremes = f" ({min(values):.3f}-{max(values):.3f})" if len(values) > 1 else ""
        cells.append(f"{np.mean(values):.3f}{extremes}")
    return [name, *cells]


def main(
    arrays: Path,
    count: Optional[int] = None,
    seed: int = 0,
    seeds: int = 1,
    gallery: Optional[Path] = None,
) -> None:
    """Print the tables."""
    console, progress = Console(width=200), Console(stderr=True)
    reference = Reference(read_real(arrays), seed)
    real = reference.real
    count = count or len(real.tsdf)
    tables = empty_table("as generated"), empty_table("scaled by their own long axes")
    shown = {"real": real.tsdf[real.split == "test"]}
    held_out = {"training shapes": [reference.training_held_out(count)]}
    for name, tsdf in track(sets(reference, count, seed), "rows", 7, console=progress):
        scaled = reference.score(framed(tsdf))
        for table, scores in zip(tables, (reference.score(tsdf), scaled), strict=True):
            table.add_row(name, *row(scores))
        held_out[name] = [scaled.held_out]
        if name in {variant.value for variant in Variant}:
            shown[name] = tsdf
    for other in range(seed + 1, seed + seeds):
        again = reference.by_seed(other)
        for name, tsdf in track(variants(count, other), f"seed {other}", 3, console=progress):
            held_out[name].append(again.held_out(framed(tsdf)))
    measures = reference.measures
    shares = [f"{measures[name].mean():.1%}" for name in ("one component, no holes", "genus 0")]
    console.print(f"{count} shapes a row against {len(real.tsdf)} real ones")
    for table in tables:
        forms = (f"{measures[name].mean():.3f}" for name in FORM)
        table.add_row("real", *["-"] * 6, *shares, *forms)
        console.print(table)
    title = "scaled, against held-out patients; of several draws mean (lowest-highest)"
    table = Table("shapes", "precision", "recall", "coverage", title=title)
    for name, drawn in held_out.items():
        table.add_row(*held_out_row(name, drawn))
    console.print(table)
    for variant in Variant:
        spent = "not trained yet"
        if variant in models():
            spent = f"trained with {training_tflops(models()[variant].networks):,.0f} TFLOP"
        console.print(f"{variant.value}: {spent}")
    if gallery:
        render(shown, gallery)


if __name__ == "__main__":
    typer.run(main)
