"""What the user reads of jobs, lymph nodes and results. Needs no Qt."""

from __future__ import annotations

from slicer.i18n import tr as _

from LNGenLib.service.client.background import Background
from LNGenLib.synthesis.painted import Painted
from LNGenLib.synthesis.plan import Plan, PlannedNode
from LNGenLib.synthesis.result import LymphNodeRecord, SynthesisResult, warning_of_unseen
from LNGenPanel.choices import Look


def stageText(job: Background) -> str:
    """What a job is doing, and for how long."""
    text = {
        "": _("Sending to the backend"),
        "anatomy": _("Looking at the anatomy"),
        "models": _("Loading the networks"),
        "structures": _("Drawing shapes"),
        "placement": _("Finding places"),
        "texture": _("Painting tissue"),
        "painting": _("Blending into the CT"),
        "segmenting": _("Looking for lymph nodes"),
        "versions": _("Looking at versions"),
        "self test": _("Painting one lymph node to try"),
    }.get(job.stage, job.stage)
    if job.steps > 1:
        text = _("{stage}, step {step} of {steps}").format(
            stage=text, step=job.step, steps=job.steps
        )
    seconds = job.progress.seconds_left
    if seconds is not None:
        text = _("{stage}, about {seconds:.0f} s left").format(stage=text, seconds=seconds)
    return text


def fault(error: Exception) -> str:
    """What the user reads of a fault of LNGen's own."""
    text = _("This is a fault of LNGen, the Python console has its details: {error}")
    return text.format(error=error or type(error).__name__)


def sentence(text: str) -> str:
    """The library's message as a sentence."""
    text = text.strip()
    return text if not text else text[0].upper() + text[1:] + ("" if text[-1] in ".!?" else ".")


def lookOf(node: LymphNodeRecord | PlannedNode) -> str:
    """How a lymph node looks, in words; empty where that is not known."""
    words = [] if node.appearance is None else [Look[node.appearance].label()]
    if node.hilum:
        words.append(_("fatty hilum"))
    if node.necrosis:
        words.append(_("necrotic core"))
    return ", ".join(words)


def rowOf(record: LymphNodeRecord) -> tuple[str, ...]:
    """The texts of a lymph node's row."""
    size = f"{record.recist_axis_mm:.1f}"
    if record.recist_short_axis_mm is not None:
        size += f" x {record.recist_short_axis_mm:.1f}"
    seen = "-" if record.conspicuity is None else f"{record.conspicuity:.1f}"
    return f"LN {record.label}", record.station or "", size, f"{record.mean_hu:.0f}", seen


def tipOf(record: LymphNodeRecord) -> str:
    """What else the user reads of a lymph node."""
    axes = _("{long:.1f} x {short:.1f} mm in 3D")
    warning = _("Can hardly be seen") if record.hardly_seen else ""
    hint = _("Click to look at it in the slice views")
    size = axes.format(long=record.long_axis_mm, short=record.short_axis_mm)
    return "\n".join(filter(None, (lookOf(record), size, warning, hint)))


def previewed(plan: Plan) -> str:
    """What the user reads of a plan that is previewed."""
    parts = [_("Lymph nodes in the preview: {count}.").format(count=len(plan.nodes))]
    if plan.refused_mm:
        text = _("Left out, since they found no room: {count}.")
        parts.append(text.format(count=len(plan.refused_mm)))
    return " ".join(parts)


def edited(before: Painted, after: Painted) -> str:
    """What the user reads once an edit is painted, undone or redone."""
    was = {record.label: record for record in before.records}
    now = {record.label: record for record in after.records}
    parts = [_("LN {number} removed.").format(number=number) for number in was if number not in now]
    for number, record in now.items():
        if record != was.get(number):
            text = _("LN {number}: {size} mm, {hu:.0f} HU.")
            parts.append(text.format(number=number, size=rowOf(record)[2], hu=record.mean_hu))
    unseen = warning_of_unseen([now[n] for n in now if now[n] != was.get(n)])
    return " ".join([*parts, *([f"{unseen}."] if unseen else [])])


def painted(result: SynthesisResult, name: str) -> str:
    """What the user reads once lymph nodes are painted into the volume of this name."""
    count = len(result.records)
    text = (
        _("1 SYNTHETIC lymph node is in {name}.")
        if count == 1
        else _("{count} SYNTHETIC lymph nodes are in {name}.")
    )
    parts = [text.format(count=count, name=name)]
    if any(record.anatomy_estimated for record in result.records):
        parts.append(
            _("Their places are estimated from HU; an organ segmentation makes them surer.")
        )
    unseen = warning_of_unseen(result.records)
    return " ".join([*parts, *([f"{unseen}."] if unseen else [])])
