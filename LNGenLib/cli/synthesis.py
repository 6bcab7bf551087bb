"""`lngen synthesize` and `lngen demo`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.table import Table

import LNGenLib
from LNGenLib.cli import options as opt
from LNGenLib.cli.anatomy import ANATOMY, check_auto, with_anatomy
from LNGenLib.cli.console import console, print_seconds, say, shown_progress
from LNGenLib.errors import InputError
from LNGenLib.files import check_output, output_folder
from LNGenLib.loading import load_monai
from LNGenLib.synthesis.method import Method

if TYPE_CHECKING:
    import SimpleITK as sitk

    from LNGenLib.progress import Progress
    from LNGenLib.synthesis.plan import Plan
    from LNGenLib.synthesis.result import LymphNodeRecord

JOINED = "label.nii.gz"  # known and synthetic lymph nodes, where known ones are given
RESULT = ("ct.nii.gz", "nodes.nii.gz", "changed.nii.gz", "nodes.json", "preview.png", JOINED)


def synthesize(
    context: typer.Context,
    ct: opt.Ct,
    output: opt.Output,
    series: opt.Series = None,
    anatomy: opt.Anatomy = None,
    region_box: opt.RegionBox = None,
    region_mask: opt.RegionMask = None,
    stations: opt.Stations = None,
    points: opt.PointsPath = None,
    tolerance: opt.Tolerance = 5.0,
    tumor: opt.Tumor = None,
    avoid: opt.Avoid = None,
    count: opt.CountOrPoints = None,
    long_axis: opt.LongAxis = (1.7, 30.0),
    short_axis: opt.ShortAxis = None,
    sizes: opt.SizeDistribution = "clinical",
    axis_ratio: opt.AxisRatio = (0.0, 1.0),
    irregularity: opt.Irregularity = (0.0, 1.0),
    enhancement: opt.Enhancement = None,
    artery: opt.Artery = None,
    hilum: opt.Hilum = None,
    necrosis: opt.Necrosis = None,
    appearance: opt.Appearance = "mixed",
    suspicious: opt.Suspicious = 0.3,
    known: opt.Known = None,
    allow_fewer: opt.AllowFewer = False,
    dry_run: opt.DryRun = False,
    plan: opt.PlanPath = None,
    replan: opt.Replan = False,
    seed: opt.Seed = 0,
    device: opt.Device = "auto",
    steps: opt.Steps = 6,
    method: opt.Method = Method.lngen,
    structure_weights: opt.Weights = None,
    texture_weights: opt.Weights = None,
    overwrite: opt.Overwrite = False,
) -> None:
    """Paint synthetic lymph nodes into a CT: ct.nii.gz, nodes.nii.gz, nodes.json, preview.png.

    They lie at --stations, in --region-box or --region-mask, at --points, or at all stations by
    weight. With --plan its own request counts, but for --steps, --enhancement and --artery.
    """
    planned = _read_plan(plan, dry_run, replan, region_mask)
    fields = _which(sizes, long_axis, short_axis, axis_ratio, irregularity)
    fields |= _where(region_box, stations, points, tolerance, tumor, count)
    fields |= _looks(appearance, suspicious, hilum, necrosis, enhancement, artery)
    fields |= {"texture_steps": steps, "seed": seed, "allow_fewer": allow_fewer}
    request = _repainted(planned, LNGenLib.SynthesisRequest(**fields), context, replan)
    anatomy, made = check_auto(anatomy)
    files = (ct, anatomy, region_mask, avoid, known, points, plan, Path(tumor or ct))
    check_output(output, (("plan.json",) if dry_run else RESULT) + made, files, overwrite)
    scan = LNGenLib.Scan.read(ct, anatomy, region_mask, known or avoid, series)
    joined = _known_labels(scan, known, avoid)
    scan = with_anatomy(scan, output / ANATOMY, device) if made else scan
    models = LNGenLib.Models(device, structure_weights, texture_weights, method)
    if dry_run:
        _write_plan(scan, request, output, models)
    else:
        _write_result(scan, request, output, models, None if replan else planned, joined)


def _read_plan(
    path: Path | None, dry_run: bool, replan: bool, region_mask: Path | None
) -> Plan | None:
    """The plan of --plan, if any; InputError where the other options do not go with it."""
    from LNGenLib.synthesis.plan import Plan

    if path is None:
        if replan:
            raise InputError("--replan draws the plan anew that --plan gives: give that, too")
        return None
    if dry_run and not replan:
        raise InputError("--dry-run makes a plan, --plan paints one: give one of them, or --replan")
    plan = Plan.read(path)
    if replan and "region" in plan.images and region_mask is None:
        raise InputError("the plan was made in a --region-mask: give that again, to make it anew")
    return plan


def _which(
    law: opt.DistributionName,
    long_axis: tuple[float, float],
    short_axis: float | None,
    axis_ratio: tuple[float, float],
    irregularity: tuple[float, float],
) -> dict[str, Any]:
    """Fields of a request: of which sizes (mm) and shapes."""
    from LNGenLib.structure.shape_range import ShapeRange
    from LNGenLib.structure.sizes import Sizes

    sizes, shape = Sizes(law, *long_axis), ShapeRange(axis_ratio, irregularity)
    return {"sizes": sizes, "shape": shape, "short_axis_mm": short_axis}


def _where(
    region_box: tuple[float, ...] | None,
    stations: list[str] | None,
    points: Path | None,
    tolerance: float,
    tumor: str | None,
    count: int | None,
) -> dict[str, Any]:
    """Fields of a request: how many and where (RAS mm)."""
    from LNGenLib.placement.stations import canonical_names
    from LNGenLib.scan.points import read_points

    at = () if points is None else read_points(points)
    return {
        "count": count if count is not None else len(at) or None,
        "region_box": region_box,
        "stations": canonical_names(stations or ()),
        "points": at,
        "tolerance_mm": tolerance,
        "tumor_mm": _tumor(tumor),
    }


def _looks(
    appearance: opt.AppearanceName,
    suspicious: float,
    hilum: float | None,
    necrosis: float | None,
    enhancement: tuple[float, float] | None,
    artery: float | None,
) -> dict[str, Any]:
    """Fields of a request: how lymph nodes look."""
    return {
        "appearance": appearance,
        "suspicious": suspicious,
        "hilum": hilum,
        "necrosis": necrosis,
        "enhancement": enhancement,
        "artery_hu": artery,
    }


def _tumor(given: str | None) -> tuple[float, float, float] | None:
    """RAS mm of --tumor: as it is, or the middle of a mask."""
    from LNGenLib.image.geometry import index_to_ras
    from LNGenLib.image.grid import voxels_of
    from LNGenLib.image.io import read_image, scalar, to_array

    if given is None:
        return None
    if not Path(given).exists():
        try:
            r, a, s = map(float, given.split(","))
            return r, a, s
        except ValueError as error:
            raise InputError(f"tumor {given}: give R,A,S in mm, or a mask's file") from error
    mask = scalar(read_image(given), given)
    voxels = voxels_of(to_array(mask) > 0)
    if not len(voxels):
        raise InputError(f"{given} marks no voxel: give the tumor's mask, or its R,A,S in mm")
    r, a, s = index_to_ras(mask, voxels).mean(0).round(3).tolist()
    return r, a, s


REQUEST = """
    region_box region_mask stations points tolerance tumor count long_axis short_axis sizes
    axis_ratio irregularity hilum necrosis appearance suspicious allow_fewer seed
""".split()  # options that say which lymph nodes are asked for, of which a plan has its own
PAINTED = {"steps": "texture_steps", "enhancement": "enhancement", "artery": "artery_hu"}


def _repainted(
    planned: Plan | None,
    asked: LNGenLib.SynthesisRequest,
    context: typer.Context,
    replan: bool,
) -> LNGenLib.SynthesisRequest:
    """What is asked for, or a plan's own request, painted as the options that were given say."""
    if planned is None:
        return asked
    sources = {name: context.get_parameter_source(name) for name in context.params}
    given = {name for name, source in sources.items() if source and source.name == "COMMANDLINE"}
    wrong = given.intersection(REQUEST) - ({"region_mask"} if replan else set())
    if wrong:
        named = ", ".join(f"--{name.replace('_', '-')}" for name in sorted(wrong))
        raise InputError(f"the plan has its own {named}: leave that out, or make another plan")
    changed = {field: getattr(asked, field) for name, field in PAINTED.items() if name in given}
    for one, other in (("artery", "enhancement"), ("enhancement", "artery_hu")):
        if one in given:  # both say how bright: that which is given now counts
            changed.setdefault(other, None)
    return dataclasses.replace(planned.request, **changed)


def _known_labels(scan: LNGenLib.Scan, known: Path | None, avoid: Path | None) -> sitk.Image | None:
    """Labels of the lymph nodes that the CT has, if they are `known`: it has to show them."""
    from LNGenLib.scan.checks import check_nodes_shown

    if known is not None and avoid is not None:
        raise InputError("--known labels are kept off, too: join them with those of --avoid")
    if known is None or scan.avoid is None:
        return None
    check_nodes_shown(scan.hu, scan.avoid, str(known))
    return scan.avoid


def demo(
    output: opt.Output,
    count: opt.Count = 6,
    seed: opt.Seed = 0,
    device: opt.Device = "auto",
    overwrite: opt.Overwrite = False,
) -> None:
    """The main job on a procedural phantom of a pelvis: phantom -> lymph nodes -> preview."""
    from LNGenLib.phantom import pelvic_phantom
    from LNGenLib.structure.sizes import Sizes

    request = LNGenLib.SynthesisRequest(count, Sizes("clinical", 4.0, 20.0), seed)
    check_output(output, RESULT, (), overwrite)
    console.print("Painting a pelvic CT phantom (no patient data) ...")
    phantom = pelvic_phantom(seed, spacing=(0.9, 0.9, 2.5))
    scan, models = LNGenLib.Scan(phantom.ct, phantom.labels), LNGenLib.Models(device)
    _write_result(scan, request, output, models)


def _write_result(
    scan: LNGenLib.Scan,
    request: LNGenLib.SynthesisRequest,
    output: Path,
    models: LNGenLib.Models,
    plan: Plan | None = None,
    known: sitk.Image | None = None,
) -> None:
    """Synthesize, or paint a `plan`; `known` lymph nodes are joined with the new ones."""
    from LNGenLib.image.io import write_image, write_picture
    from LNGenLib.synthesis.preview import render_preview

    with shown_progress() as progress:
        _load(progress)
        if plan is None:
            result = LNGenLib.synthesize(scan, request, models, progress)
        else:
            result = LNGenLib.paint(scan, plan, request, models, progress)
        progress.stage("writing")
        with output_folder(output, gone=(JOINED,) if known is None else ()) as folder:
            result.write(folder)
            if known is not None:
                write_image(result.with_known(known), folder / JOINED)
            picture = render_preview(scan.hu, result.ct, result.lymph_nodes, result.records)
            write_picture(picture, folder / "preview.png")
    _print_records(result.records)
    _warn_of_unseen(result.records)
    _print_anatomy(scan, request)
    _print_plan(result.provenance["plan"])
    print_seconds(progress.seconds)
    say(f"SYNTHETIC lymph nodes written to {output}")


def _load(progress: Progress) -> None:
    """Load the models' code; what it takes counts as theirs."""
    progress.stage("models")
    load_monai()


def _write_plan(
    scan: LNGenLib.Scan, request: LNGenLib.SynthesisRequest, output: Path, models: LNGenLib.Models
) -> None:
    with shown_progress() as progress:
        _load(progress)
        plan = LNGenLib.plan(scan, request, models, progress)
        with output_folder(output) as folder:
            plan.write(folder / "plan.json")
    table = Table("node", "station", "center RAS mm", "long axis mm")
    for node in plan.nodes:
        center = ", ".join(f"{v:.0f}" for v in node.center_ras_mm)
        table.add_row(str(node.number), node.station or "-", center, f"{node.long_axis_mm:.1f}")
    console.print(table)
    _print_anatomy(scan, request)
    _print_plan(dataclasses.asdict(plan))
    say(f"plan written to {output / 'plan.json'}; nothing painted")


def _print_anatomy(scan: LNGenLib.Scan, request: LNGenLib.SynthesisRequest) -> None:
    from LNGenLib.scan.totalsegmentator import shows_bowel

    if not request.points and not shows_bowel(scan.anatomy):
        say("anatomy estimated from HU: `lngen anatomy` labels it, for places that are surer")


def _print_plan(plan: Mapping[str, Any]) -> None:
    """What a plan (its JSON) found of the scan's phase, and what found no room."""
    from LNGenLib.synthesis.plan import count_by_size

    phase = plan["phase"]
    text = f"arteries of {phase['artery_hu']:.0f} HU (source: {phase['source']})"
    if phase["source"] == "none":
        text = "no bright artery found, taken as unenhanced (--artery HU tells otherwise)"
    say(f"{text}, muscle of {phase['muscle_hu']:.0f} HU")
    for name, count in count_by_size(plan["refused_mm"]).items():
        say(f"no room for {count} of {name}")


def _print_records(records: Sequence[LymphNodeRecord]) -> None:
    axes = ("long x short", "in-plane")
    table = Table("node", "station", "center RAS mm", *axes, "mm3", "HU", "around", "seen")
    table.columns[1].width = len("mesorectal")  # whole in a terminal of 80 columns
    for r in records:
        center = ", ".join(f"{v:.0f}" for v in r.center_ras_mm)
        in_3d = _axes(r.long_axis_mm, r.short_axis_mm)
        in_plane = _axes(r.recist_axis_mm, r.recist_short_axis_mm)
        around = "-" if r.surrounding_mean_hu is None else f"{r.surrounding_mean_hu:.0f}"
        seen = "-" if r.conspicuity is None else f"{r.conspicuity:.1f}"
        values = [f"{r.volume_mm3:.0f}", f"{r.mean_hu:.0f}", around, seen]
        table.add_row(str(r.label), r.station or "-", center, in_3d, in_plane, *values)
    console.print(table)


def _axes(long: float, short: float | None) -> str:
    """Both axes in mm, as far as they are known."""
    return f"{long:.1f}" if short is None else f"{long:.1f} x {short:.1f}"


def _warn_of_unseen(records: Sequence[LymphNodeRecord]) -> None:
    from LNGenLib.synthesis.result import warning_of_unseen

    if warning := warning_of_unseen(records):
        say(warning)
