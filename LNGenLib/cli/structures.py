"""`lngen structures`."""

from __future__ import annotations

import dataclasses

import LNGenLib
from LNGenLib.cli import options as opt
from LNGenLib.cli.console import print_seconds, say, shown_progress
from LNGenLib.files import SOFTWARE, check_output, output_folder, write_json
from LNGenLib.loading import load_monai


def structures(
    output: opt.Output,
    count: opt.Count = 10,
    seed: opt.Seed = 0,
    long_axis: opt.LongAxis = (1.7, 30.0),
    sizes: opt.SizeDistribution = "clinical",
    axis_ratio: opt.AxisRatio = (0.0, 1.0),
    irregularity: opt.Irregularity = (0.0, 1.0),
    device: opt.Device = "auto",
    weights: opt.Weights = None,
    overwrite: opt.Overwrite = False,
) -> None:
    """Draw lymph-node shapes: signed distances in mm, negative inside, and structures.json."""
    from LNGenLib.image.io import marked_synthetic, write_image
    from LNGenLib.structure.shape_range import ShapeRange
    from LNGenLib.structure.sizes import Sizes

    distribution, shape = Sizes(sizes, *long_axis), ShapeRange(axis_ratio, irregularity)
    LNGenLib.SynthesisRequest(count, distribution, seed, shape=shape)  # checks the numbers
    names = [f"structure_{k:05d}.nii.gz" for k in range(count)]
    check_output(output, [*names, "structures.json"], (), overwrite)
    load_monai()

    from LNGenLib.structure.drawing import draw_sized_structures
    from LNGenLib.structure.model import StructureModel
    from LNGenLib.synthesis.models import choose_device

    with shown_progress() as progress:
        progress.stage("models")
        model = StructureModel(weights, choose_device(device))
        drawn = draw_sized_structures(model, count, distribution, seed, shape, progress)
        progress.stage("writing", count)
        rows = []
        with output_folder(output) as folder:
            for k, (name, one) in enumerate(zip(names, drawn), 1):
                image = one.structure.as_image(one.long_axis)
                write_image(marked_synthetic(image), folder / name)
                rows.append({"file": name, **one.measures()})
                progress.step(k, count)
            content = {
                "synthetic": True,
                "seed": seed,
                "sizes": dataclasses.asdict(distribution),
                "shape": dataclasses.asdict(shape),
                "software": SOFTWARE,
                "weights": model.description["sha256"],
                "structures": rows,
            }
            write_json(content, folder / "structures.json")
    repaired = sum(one.repaired for one in drawn) / count
    say(f"{count} SYNTHETIC structures written to {output}; {repaired:.1%} repaired")
    print_seconds(progress.seconds)
