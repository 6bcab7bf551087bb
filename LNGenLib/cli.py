"""The `lngen` command. Heavy modules are imported by the command that needs them."""

from __future__ import annotations

import dataclasses
import io
import signal
import sys
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer
from rich.table import Table

from LNGenLib import __version__
from LNGenLib.benchmark.commands import benchmark
from LNGenLib.datasets.commands import dataset, pool
from LNGenLib.dicom.commands import dicom
from LNGenLib.errors import InputError
from LNGenLib.output import SOFTWARE, check_output, output_folder, read_json, write_json
from LNGenLib.ranges import with_both_bounds
from LNGenLib.segmentation.commands import (
    evaluate_segmentation,
    filter_synthetic,
    segment,
    train_segmentation,
)
from LNGenLib.service.commands import doctor, serve
from LNGenLib.synthesis.method import Method
from LNGenLib.terminal import (
    Overwrite,
    check_figures,
    console,
    shown_progress,
    write_figures,
)

if TYPE_CHECKING:
    from LNGenLib.placement.scan import Scan
    from LNGenLib.synthesis.engine import Models
    from LNGenLib.synthesis.plan import Plan
    from LNGenLib.synthesis.records import SynthesisRequest

app = typer.Typer(
    help="Synthetic lymph nodes in CT (LN-Gen). Not a medical device.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Device(str, Enum):
    """Where the networks run."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


class SizeLaw(str, Enum):
    """Laws of the long axis."""

    clinical = "clinical"
    uniform = "uniform"


Output = Annotated[Path, typer.Option("-o", "--output", help="Folder for the results.")]
Seed = Annotated[int, typer.Option(help="Same seed, same result.")]
Count = Annotated[int, typer.Option(help="Number of lymph nodes.")]
SeriesOption = Annotated[
    Optional[str],
    typer.Option("--series", metavar="UID", help="The CT's, where its folder holds several."),
]
AnatomyOption = Annotated[
    Optional[Path],
    typer.Option(
        help="TotalSegmentator's labels: a label map, a folder of masks, or a .seg.nrrd of Slicer."
    ),
]
OptionalCount = Annotated[
    Optional[int], typer.Option(help="Number of lymph nodes; 5, or one a point.")
]
LongAxis = Annotated[
    tuple[float, float],
    typer.Option(metavar="MIN [MAX]", help="Bounds of the long axis in mm; one value: one size."),
]
LawOption = Annotated[
    SizeLaw,
    typer.Option(
        help="Law of the long axis within its bounds; clinical is approximate: log-normal, "
        "median 5.5 mm, most of 3 to 10 mm; uniform is the paper's."
    ),
]
AxisRatio = Annotated[
    tuple[float, float],
    typer.Option(metavar="MIN [MAX]", help="Short axis / long axis; round is 0.85 1."),
]
Irregularity = Annotated[
    tuple[float, float],
    typer.Option(metavar="MIN [MAX]", help="1 - volume / convex hull; irregular is 0.03 1."),
]
DeviceOption = Annotated[Device, typer.Option(help="Where the networks run.")]
Steps = Annotated[int, typer.Option(help="Sampling steps of the texture diffusion.")]
Weights = Annotated[Optional[Path], typer.Option(help="Own weights (.safetensors).")]


JOINED = "label.nii.gz"  # known and synthetic lymph nodes, where known ones are given
RESULT = ("ct.nii.gz", "nodes.nii.gz", "changed.nii.gz", "nodes.json", "preview.png", JOINED)
PLACEMENT = ("prior.nii.gz", "stations.seg.nrrd", "stations.json", "stations.png")


def main() -> None:
    """Entry point: an InputError or OSError becomes one line on stderr and exit code 2."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that temporary files are removed
    if isinstance(sys.stdout, io.TextIOWrapper):  # may not hold all letters of a path
        sys.stdout.reconfigure(errors="backslashreplace")
    command = typer.main.get_command(app)
    try:
        command(with_both_bounds(sys.argv[1:], command))
    except InputError as error:
        told = error
    except OSError as error:  # of a disk or a right that nobody looked for
        told = f"{error.filename or 'a file'} can't be used: {error.strerror or error}"
    else:
        return
    print(f"lngen: {told}", file=sys.stderr)
    raise SystemExit(2)


@app.command()
def synthesize(
    context: typer.Context,
    ct: Annotated[Path, typer.Argument(help="CT: NIfTI, NRRD, MHA or a DICOM folder.")],
    output: Output,
    series: SeriesOption = None,
    anatomy: AnatomyOption = None,
    region_box: Annotated[
        Optional[tuple[float, float, float, float, float, float]],
        typer.Option(metavar="R1 R2 A1 A2 S1 S2", help="Box in RAS mm where nodes may lie."),
    ] = None,
    region_mask: Annotated[
        Optional[Path], typer.Option(help="Mask on the CT's grid where nodes may lie.")
    ] = None,
    stations: Annotated[
        Optional[list[str]],
        typer.Option(help="Station where nodes may lie (docs/placement.md); repeat for several."),
    ] = None,
    points: Annotated[
        Optional[Path],
        typer.Option(help="A node at each point: Slicer markups (.mrk.json), or CSV with R,A,S."),
    ] = None,
    tolerance: Annotated[
        float, typer.Option(help="How far from its point a node's center may lie, mm.")
    ] = 5.0,
    avoid: Annotated[
        Optional[Path], typer.Option(help="Mask of real nodes, say, to keep off.")
    ] = None,
    count: OptionalCount = None,
    long_axis: LongAxis = (1.7, 30.0),
    short_axis: Annotated[
        Optional[float], typer.Option(help="Ask for shapes of about this short axis, mm.")
    ] = None,
    sizes: LawOption = SizeLaw.clinical,
    axis_ratio: AxisRatio = (0.0, 1.0),
    irregularity: Irregularity = (0.0, 1.0),
    enhancement: Annotated[
        Optional[tuple[float, float]],
        typer.Option(
            metavar="LOW [HIGH]", help="HU over the scan's muscle; 20 60 is well enhanced."
        ),
    ] = None,
    artery: Annotated[
        Optional[float],
        typer.Option(metavar="HU", help="HU of the arteries, 42 is unenhanced; else measured."),
    ] = None,
    hilum: Annotated[
        Optional[float],
        typer.Option(
            metavar="SHARE",
            help="Share of nodes with a fatty hilum, 0 to 1; by default 0.05 below 5 mm, 0.25 to "
            "10 mm, 0.45 above.",
        ),
    ] = None,
    known: Annotated[
        Optional[Path],
        typer.Option(
            help="Labels of lymph nodes that the CT has: as --avoid, and label.nii.gz holds them "
            "beside the new ones."
        ),
    ] = None,
    allow_fewer: Annotated[
        bool, typer.Option("--allow-fewer", help="Leave out nodes that find no room.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only print and write the plan: plan.json.")
    ] = False,
    plan: Annotated[
        Optional[Path], typer.Option(help="Paint this plan, edited or not, of --dry-run.")
    ] = None,
    replan: Annotated[
        bool, typer.Option("--replan", help="Draw what --plan was asked for anew.")
    ] = False,
    seed: Seed = 0,
    device: DeviceOption = Device.auto,
    steps: Steps = 6,
    method: Annotated[
        Method, typer.Option(help="difftumor is a baseline (docs/training.md).")
    ] = Method.lngen,
    structure_weights: Weights = None,
    texture_weights: Weights = None,
    overwrite: Overwrite = False,
) -> None:
    """Paint synthetic lymph nodes into a CT: ct.nii.gz, nodes.nii.gz, nodes.json, preview.png.

    They lie at --stations, in --region-box or --region-mask, at --points, or at all stations by
    weight. With --plan that plan's own request counts; --steps, --enhancement and --artery may be
    others.
    """
    from LNGenLib.placement.checks import check_nodes_shown
    from LNGenLib.placement.points import read_points
    from LNGenLib.placement.scan import Scan
    from LNGenLib.placement.stations import named
    from LNGenLib.structure.shape_range import ShapeRange
    from LNGenLib.structure.sizes import Sizes
    from LNGenLib.synthesis.plan import Plan
    from LNGenLib.synthesis.records import SynthesisRequest

    if dry_run and plan is not None and not replan:
        raise InputError("--dry-run makes a plan, --plan paints one: give one of them, or --replan")
    if replan and plan is None:
        raise InputError("--replan draws the plan anew that --plan gives: give that, too")
    where = () if points is None else read_points(points)
    request = SynthesisRequest(
        count if count is not None else len(where) or 5,
        Sizes(sizes.value, *long_axis),
        seed,
        region_box,
        ShapeRange(axis_ratio, irregularity),
        texture_steps=steps,
        stations=named(stations or ()),
        points=where,
        tolerance_mm=tolerance,
        short_axis_mm=short_axis,
        allow_fewer=allow_fewer,
        enhancement=enhancement,
        artery_hu=artery,
        hilum=hilum,
    )
    planned = None if plan is None else Plan.read(plan)
    if planned is not None:
        given = _given(context) - ({"region_mask"} if replan else set())
        request = _repainted(planned.request, request, given)
    if known is not None and avoid is not None:
        raise InputError("--known labels are kept off, too: join them with those of --avoid")
    made = ("plan.json",) if dry_run else RESULT
    inputs = (ct, anatomy, region_mask, avoid, known, points, plan)
    check_output(output, made, inputs, overwrite)
    scan = Scan.read(ct, anatomy, region_mask, known or avoid, series)
    if known is not None:
        check_nodes_shown(scan.hu, scan.avoid, str(known))

    from LNGenLib.synthesis.engine import Models

    models = Models(device.value, structure_weights, texture_weights, method)
    if dry_run:
        _plan(scan, request, output, models)
    else:
        kept = None if replan else planned
        _synthesize(scan, request, output, models, kept, carry=known is not None)


def _given(context: typer.Context) -> set[str]:
    """Names of the options that the user gave."""
    sources = {name: context.get_parameter_source(name) for name in context.params}
    return {name for name, source in sources.items() if source and source.name == "COMMANDLINE"}


REQUEST = {  # options that say which lymph nodes are asked for, of which a plan has its own
    *("region_box", "region_mask", "stations", "points", "tolerance", "count", "long_axis"),
    "short_axis",
    *("sizes", "axis_ratio", "irregularity", "hilum", "allow_fewer", "seed"),
}
PAINTED = {"steps": "texture_steps", "enhancement": "enhancement", "artery": "artery_hu"}


def _repainted(own: SynthesisRequest, asked: SynthesisRequest, given: set[str]) -> SynthesisRequest:
    """A plan's own request, painted as the options that were given say."""
    wrong = [f"--{name.replace('_', '-')}" for name in sorted(given & REQUEST)]
    if wrong:
        raise InputError(
            f"the plan has its own {', '.join(wrong)}: leave that out, or make another plan"
        )
    changed = {field: getattr(asked, field) for name, field in PAINTED.items() if name in given}
    if "artery" in given:
        changed.setdefault("enhancement", None)
    return dataclasses.replace(own, **changed)


@app.command()
def placement(
    ct: Annotated[Path, typer.Argument(help="CT: NIfTI, NRRD, MHA or a DICOM folder.")],
    output: Output,
    series: SeriesOption = None,
    anatomy: AnatomyOption = None,
    overwrite: Overwrite = False,
) -> None:
    """Show where lymph nodes may lie: prior.nii.gz, stations.seg.nrrd, stations.json, a picture."""
    from LNGenLib.image.io import marked_own, write_image, write_picture
    from LNGenLib.placement.maps import placement_maps
    from LNGenLib.placement.picture import render_placement
    from LNGenLib.placement.scan import Scan

    check_output(output, PLACEMENT, (ct, anatomy), overwrite)
    scan = Scan.read(ct, anatomy, series=series)
    maps = placement_maps(scan)
    with output_folder(output) as folder:
        write_image(marked_own(maps.prior), folder / "prior.nii.gz")
        write_image(marked_own(maps.stations), folder / "stations.seg.nrrd")
        write_json({"software": SOFTWARE} | maps.summary, folder / "stations.json")
        write_picture(render_placement(scan.hu, maps), folder / "stations.png")
    table = Table("station", "ml", "weight", "landmark", "unavailable because")
    for row in maps.summary["stations"]:
        landmark = row["landmark"] + (" (estimated)" if row["estimated"] else "")
        share = (f"{row['volume_ml']:.1f}", f"{row['weight']:.0%}") if row["available"] else "--"
        table.add_row(row["name"], *share, landmark, row["reason"] or "")
    console.print(table)
    console.print(f"maps written to {output}", soft_wrap=True)


@app.command()
def demo(
    output: Output,
    count: Count = 6,
    seed: Seed = 0,
    device: DeviceOption = Device.auto,
    overwrite: Overwrite = False,
) -> None:
    """The main job on a procedural phantom of a pelvis: phantom -> lymph nodes -> preview."""
    from LNGenLib.image.phantom import pelvic_phantom
    from LNGenLib.placement.scan import Scan
    from LNGenLib.structure.sizes import Sizes
    from LNGenLib.synthesis.engine import Models
    from LNGenLib.synthesis.records import SynthesisRequest

    request = SynthesisRequest(count, Sizes("clinical", 4.0, 20.0), seed)
    check_output(output, RESULT, (), overwrite)
    console.print("Painting a pelvic CT phantom (no patient data) ...")
    phantom = pelvic_phantom(seed, spacing=(0.9, 0.9, 2.5))
    _synthesize(Scan(phantom.ct, phantom.labels), request, output, Models(device.value))


def _synthesize(
    scan: Scan,
    request: SynthesisRequest,
    output: Path,
    models: Models,
    plan: Plan | None = None,
    carry: bool = False,
) -> None:
    from LNGenLib.image.io import write_image, write_picture
    from LNGenLib.synthesis.engine import paint, synthesize
    from LNGenLib.synthesis.preview import render_preview

    with shown_progress() as progress:
        if plan is None:
            result = synthesize(scan, request, models, progress)
        else:
            result = paint(scan, plan, request, models, progress)
        progress.stage("writing")
        with output_folder(output, gone=() if carry else (JOINED,)) as folder:
            result.write(folder)
            if carry:
                write_image(result.with_known(scan.avoid), folder / JOINED)
            picture = render_preview(scan.hu, result.ct, result.lymph_nodes, result.records)
            write_picture(picture, folder / "preview.png")
        progress.finish()
    _print_records(result.records)
    _print_phase(result.provenance["plan"]["phase"])
    _print_refused(result.provenance["plan"]["refused_mm"])
    _print_seconds(progress.seconds)
    console.print(f"SYNTHETIC lymph nodes written to {output}", soft_wrap=True)


def _plan(scan: Scan, request: SynthesisRequest, output: Path, models: Models) -> None:
    from LNGenLib.synthesis.engine import plan as make_plan

    with shown_progress() as progress:
        plan = make_plan(scan, request, models, progress)
        with output_folder(output) as folder:
            plan.write(folder / "plan.json")
    table = Table("node", "station", "center RAS mm", "long axis mm")
    for node in plan.nodes:
        center = ", ".join(f"{v:.0f}" for v in node.center_ras_mm)
        table.add_row(str(node.number), node.station or "-", center, f"{node.long_axis_mm:.1f}")
    console.print(table)
    _print_phase(dataclasses.asdict(plan.phase))
    _print_refused(plan.refused_mm)
    console.print(f"plan written to {output / 'plan.json'}; nothing painted", soft_wrap=True)


def _print_phase(phase) -> None:
    text = f"arteries of {phase['artery_hu']:.0f} HU (source: {phase['source']})"
    if phase["source"] == "none":
        text = "no bright artery found, taken as unenhanced (--artery HU tells otherwise)"
    console.print(f"{text}, muscle of {phase['muscle_hu']:.0f} HU", soft_wrap=True)


def _print_refused(long_axes) -> None:
    from LNGenLib.synthesis.plan import count_by_size

    for name, count in count_by_size(long_axes).items():
        console.print(f"no room for {count} of {name}", soft_wrap=True)


def _print_records(records) -> None:
    table = Table(
        *("node", "station", "center RAS mm", "long", "short", "in-plane", "mm3", "HU", "around")
    )
    table.columns[1].min_width = len("mesorectal")  # whole in a terminal of 80 columns
    for r in records:
        center = ", ".join(f"{v:.0f}" for v in r.center_ras_mm)
        around = "-" if r.surrounding_mean_hu is None else f"{r.surrounding_mean_hu:.0f}"
        table.add_row(
            str(r.label),
            r.station or "-",
            center,
            f"{r.long_axis_mm:.1f}",
            f"{r.short_axis_mm:.1f}",
            f"{r.recist_axis_mm:.1f}",
            f"{r.volume_mm3:.0f}",
            f"{r.mean_hu:.0f}",
            around,
        )
    console.print(table)


def _print_seconds(seconds: dict[str, float]) -> None:
    parts = ", ".join(f"{stage} {value:.1f}" for stage, value in seconds.items())
    console.print(f"seconds: {parts}; {sum(seconds.values()):.1f} in all", soft_wrap=True)


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
        samples = model.sample(numbers, drawn, seed, on_step=progress.step, shapes=shape)
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
    _print_seconds(progress.seconds)


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
            weights = run(part, data, output, changes, seed, progress.report)
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
    from LNGenLib.evaluation.loading import read_generated, read_real
    from LNGenLib.evaluation.structures import compare
    from LNGenLib.evaluation.tables import cleaning_line, structure_tables

    check_figures(output, (real, generated), overwrite)
    with shown_progress() as progress:
        surfaces = read_generated(generated, progress.report)
        report = compare(read_real(real, progress.report), surfaces, seed, progress.report)
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
    """Paint the CTs and let a judge tell painted lymph nodes from the real bodies in them."""
    from LNGenLib.evaluation.tables import fidelity_table, texture_table
    from LNGenLib.evaluation.texture import evaluate_texture
    from LNGenLib.synthesis.engine import Models

    check_figures(output, (data,), overwrite)
    if work is not None:
        check_output(work)
    models = Models(device.value, structure_weights, texture_weights)
    baseline = Models(device.value, None, difftumor_weights, Method.difftumor)
    with shown_progress() as progress:
        other = None if difftumor_weights is None else baseline.texture
        report = evaluate_texture(data, models, seed, progress.report, other, work)
        progress.finish()
    console.print(texture_table(report))
    if report.difference is not None:
        console.print(
            f"DiffTumor less LN-Gen: {report.difference.value:+.3f} "
            f"({report.difference.low:+.3f} to {report.difference.high:+.3f}) "
            f"over {report.difference.bodies} bodies"
        )
    console.print(
        f"real bodies told from each other: AUC {report.real:.3f} (0.45 to 0.55 is valid), "
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
