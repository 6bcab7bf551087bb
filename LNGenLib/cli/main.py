"""The `lngen` command. Heavy modules are imported by the command that needs them."""

from __future__ import annotations

import dataclasses
import io
import signal
import sys
from pathlib import Path
from typing import Annotated, Optional

import typer

from LNGenLib import __version__
from LNGenLib.cli.benchmark import benchmark
from LNGenLib.cli.console import (
    check_figures,
    console,
    print_seconds,
    shown_progress,
    write_figures,
)
from LNGenLib.cli.datasets import dataset, pool
from LNGenLib.cli.dicom import dicom
from LNGenLib.cli.options import (
    AxisRatio,
    Count,
    Device,
    DeviceOption,
    Irregularity,
    LawOption,
    LongAxis,
    Output,
    Overwrite,
    Seed,
    SizeLaw,
    Weights,
)
from LNGenLib.cli.segmentation import (
    evaluate_segmentation,
    filter_synthetic,
    segment,
    train_segmentation,
)
from LNGenLib.cli.service import doctor, serve
from LNGenLib.cli.synthesis import demo, placement, synthesize
from LNGenLib.errors import InputError
from LNGenLib.files import SOFTWARE, check_output, output_folder, read_json, write_json
from LNGenLib.ranges import with_both_bounds
from LNGenLib.synthesis.method import Method

app = typer.Typer(
    help="Synthetic lymph nodes in CT (LN-Gen). Not a medical device.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Entry point: an InputError or OSError becomes one line on stderr and exit code 2."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that temporary files are removed
    if isinstance(sys.stdout, io.TextIOWrapper):  # may not hold all letters of a path
        sys.stdout.reconfigure(errors="backslashreplace")
    command = typer.main.get_command(app)
    try:
        command(with_both_bounds(sys.argv[1:], command))
    except InputError as error:
        message = error
    except OSError as error:  # of a disk or a right that nobody looked for
        message = f"{error.filename or 'a file'} can't be used: {error.strerror or error}"
    else:
        return
    print(f"lngen: {message}", file=sys.stderr)
    raise SystemExit(2)


for command in (synthesize, placement, demo):
    app.command()(command)


@app.command()
def structures(
    output: Output,
    count: Count = 10,
    seed: Seed = 0,
    long_axis: LongAxis = (1.7, 30.0),
    sizes: LawOption = SizeLaw.clinical,
    axis_ratio: AxisRatio = (0.0, 1.0),
    irregularity: Irregularity = (0.0, 1.0),
    device: DeviceOption = Device.auto,
    weights: Weights = None,
    overwrite: Overwrite = False,
) -> None:
    """Draw lymph-node shapes: signed distances in mm, negative inside, and structures.json."""
    from LNGenLib.image.io import marked_synthetic, write_image
    from LNGenLib.structure.shape_range import ShapeRange
    from LNGenLib.structure.sizes import Sizes
    from LNGenLib.synthesis.records import SynthesisRequest

    shape = ShapeRange(axis_ratio, irregularity)
    request = SynthesisRequest(count, Sizes(sizes.value, *long_axis), seed, shape=shape)
    names = [f"structure_{k:05d}.nii.gz" for k in range(count)]
    check_output(output, [*names, "structures.json"], (), overwrite)

    from LNGenLib.randomness import node_rng
    from LNGenLib.structure.model import StructureModel
    from LNGenLib.synthesis.engine import choose_device

    with shown_progress() as progress:
        progress.stage("models")
        model = StructureModel(weights, choose_device(device.value))
        progress.stage("structures")
        numbers = range(count)
        drawn = [request.sizes.draw(node_rng(seed, k, "size")) for k in numbers]
        samples = model.sample(numbers, drawn, seed, progress=progress, shapes=shape)
        progress.stage("writing", count)
        rows = []
        with output_folder(output) as folder:
            for k, (structure, size) in enumerate(zip(samples.structures, drawn)):
                write_image(marked_synthetic(structure.as_image(size)), folder / names[k])
                rows.append({"file": names[k], **samples.measures(k, size)})
                progress.step(k + 1, count)
            content = {
                "synthetic": True,
                "seed": seed,
                "sizes": dataclasses.asdict(request.sizes),
                "shape": dataclasses.asdict(shape),
                "software": SOFTWARE,
                "weights": model.description["sha256"],
                "structures": rows,
            }
            write_json(content, folder / "structures.json")
        progress.finish()
    console.print(
        f"{count} SYNTHETIC structures written to {output}; "
        f"{sum(samples.repaired) / count:.1%} repaired",
        soft_wrap=True,
    )
    print_seconds(progress.seconds)


train = typer.Typer(
    help="Train a model on own data; the same command resumes an interrupted run.",
    no_args_is_help=True,
)
app.add_typer(train, name="train")
PARTS = {
    "structure": "What shape lymph nodes have.",
    "texture": "What lymph nodes look like in CT.",
    "difftumor": "A baseline in DiffTumor's way, for comparison.",
}


def _trainer(part: str):
    def train_part(
        data: Annotated[
            Path, typer.Option(help="Folder with the table of cases (docs/training.md).")
        ],
        output: Output,
        config: Annotated[Optional[Path], typer.Option(help="JSON with sizes to change.")] = None,
        seed: Seed = 0,
    ) -> None:
        from LNGenLib.training import run

        changes = {} if config is None else read_json(config)
        own = ("settings.json", f"{part}.json")
        check_output(output, own, (config,), overwrite=True)  # its own of before, that is
        with shown_progress() as progress:
            weights = run(part, data, output, changes, seed, progress)
        console.print(f"weights: {weights}", soft_wrap=True)

    return train_part


for part, what in PARTS.items():
    train.command(part, help=what)(_trainer(part))
train.command("segmentation")(train_segmentation)
app.command()(segment)
app.command("filter")(filter_synthetic)

evaluate = typer.Typer(help="How close generated results are to real ones.", no_args_is_help=True)
app.add_typer(evaluate, name="evaluate")


@evaluate.command("structures")
def evaluate_structures(
    real: Annotated[
        Path,
        typer.Option(help="Data as `train structure` takes, its structure.npz, or just masks."),
    ],
    generated: Annotated[
        Path, typer.Option(help="Folder that `structures` wrote, or one of masks.")
    ],
    output: Annotated[
        Optional[Path], typer.Option("-o", "--output", help="JSON file for the figures.")
    ] = None,
    seed: Seed = 0,
    overwrite: Overwrite = False,
) -> None:
    """Compare generated lymph-node surfaces with real ones, by bins of the long axis."""
    from LNGenLib.evaluation.shape.comparison import compare
    from LNGenLib.evaluation.shape.loading import read_generated, read_real
    from LNGenLib.evaluation.shape.tables import cleaning_line, structure_tables

    check_figures(output, (real, generated), overwrite)
    with shown_progress() as progress:
        surfaces = read_generated(generated, progress)
        report = compare(read_real(real, progress), surfaces, seed, progress)
        progress.finish()
    for table in structure_tables(report):
        console.print(table)
    console.print(cleaning_line(report.cleaning), soft_wrap=True)
    if output is not None:
        write_figures(dataclasses.asdict(report), output)


@evaluate.command("texture")
def evaluate_texture(
    data: Annotated[
        Path, typer.Option(help="Folder with splits.csv and its CTs, as `train texture` takes.")
    ],
    output: Annotated[
        Optional[Path], typer.Option("-o", "--output", help="JSON file for the figures.")
    ] = None,
    device: DeviceOption = Device.auto,
    structure_weights: Weights = None,
    texture_weights: Weights = None,
    difftumor_weights: Weights = None,
    work: Annotated[
        Optional[Path], typer.Option(help="Keep what is done here, to go on when interrupted.")
    ] = None,
    seed: Seed = 0,
    overwrite: Overwrite = False,
) -> None:
    """Paint the CTs; compare the nodes with real bodies by a classifier two-sample test."""
    from LNGenLib.evaluation.realism.tables import fidelity_table, texture_table
    from LNGenLib.evaluation.realism.texture import evaluate_texture
    from LNGenLib.synthesis.engine import Models

    check_figures(output, (data,), overwrite)
    if work is not None:
        check_output(work)
    models = Models(device.value, structure_weights, texture_weights)
    baseline = Models(device.value, None, difftumor_weights, Method.difftumor)
    with shown_progress() as progress:
        other = None if difftumor_weights is None else baseline.texture
        report = evaluate_texture(data, models, seed, progress, other, work)
        progress.finish()
    console.print(texture_table(report))
    if report.difference is not None:
        console.print(
            f"DiffTumor less LN-Gen: {report.difference.value:+.3f} "
            f"({report.difference.low:+.3f} to {report.difference.high:+.3f}) "
            f"over {report.difference.bodies} bodies"
        )
    console.print(
        f"halves of the real bodies: AUC {report.real:.3f} (0.45 to 0.55 is valid), "
        f"HU (KS) {report.hu['real']:.3f}"
    )
    console.print(fidelity_table(report.fidelity))
    if output is not None:
        write_figures(dataclasses.asdict(report), output)


app.command()(pool)
app.command()(dataset)
app.add_typer(dicom, name="dicom")
evaluate.command("segmentation")(evaluate_segmentation)
app.add_typer(benchmark, name="benchmark")
app.command()(serve)
app.command()(doctor)


@app.command()
def version() -> None:
    """Print the version."""
    console.print(__version__)
