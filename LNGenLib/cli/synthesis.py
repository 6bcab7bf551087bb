"""`lngen synthesize`, `lngen placement` and `lngen demo`. Heavy modules are imported by the command
that needs them."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer
from rich.table import Table

from LNGenLib.cli.console import console, print_seconds, shown_progress
from LNGenLib.cli.options import (
    AnatomyOption,
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
    SeriesOption,
    SizeLaw,
    Steps,
    Weights,
)
from LNGenLib.errors import InputError
from LNGenLib.files import SOFTWARE, check_output, output_folder, write_json
from LNGenLib.synthesis.method import Method

if TYPE_CHECKING:
    from LNGenLib.placement.scan import Scan
    from LNGenLib.synthesis.engine import Models
    from LNGenLib.synthesis.plan import Plan
    from LNGenLib.synthesis.records import SynthesisRequest

JOINED = "label.nii.gz"  # known and synthetic lymph nodes, where known ones are given
RESULT = ("ct.nii.gz", "nodes.nii.gz", "changed.nii.gz", "nodes.json", "preview.png", JOINED)
PLACEMENT = ("prior.nii.gz", "stations.seg.nrrd", "stations.json", "stations.png")


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
    count: Annotated[
        Optional[int], typer.Option(help="Number of lymph nodes; 5, or one a point.")
    ] = None,
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
    from LNGenLib.placement.stations import canonical_names
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
        stations=canonical_names(stations or ()),
        points=where,
        tolerance_mm=tolerance,
        short_axis_mm=short_axis,
        allow_fewer=allow_fewer,
        enhancement=enhancement,
        artery_hu=artery,
        hilum=hilum,
    )
    planned = None if plan is None else Plan.read(plan)
    if replan and "region" in planned.images and region_mask is None:
        raise InputError("the plan was made in a --region-mask: give that again, to make it anew")
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
    *("short_axis", "sizes", "axis_ratio", "irregularity", "hilum", "allow_fewer", "seed"),
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
    for one, other in (("artery", "enhancement"), ("enhancement", "artery_hu")):
        if one in given:  # both say how bright: that which is given now counts
            changed.setdefault(other, None)
    return dataclasses.replace(own, **changed)


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


def demo(
    output: Output,
    count: Count = 6,
    seed: Seed = 0,
    device: DeviceOption = Device.auto,
    overwrite: Overwrite = False,
) -> None:
    """The main job on a procedural phantom of a pelvis: phantom -> lymph nodes -> preview."""
    from LNGenLib.phantom import pelvic_phantom
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
    print_seconds(progress.seconds)
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
