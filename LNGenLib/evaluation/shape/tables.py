"""Reports of shapes as tables for the terminal."""

from __future__ import annotations

from rich.table import Table

from LNGenLib.evaluation.estimate import shown
from LNGenLib.evaluation.shape.comparison import StructureReport
from LNGenLib.evaluation.shape.precision_recall import CLOSENESS, Closeness
from LNGenLib.evaluation.shape.surfaces import Cleaning, Form
from LNGenLib.structure.surface import LEAST_SOLIDITY

FORM_COLUMNS = (
    *("count", "sphericity", "solidity", "mid/long", "thin/long", "5 %"),
    "one piece, no holes, genus 0",
)


def structure_tables(report: StructureReport) -> list[Table]:
    """How surfaces look, and how close generated ones are to real ones, a row a set in each bin."""
    look = Table(
        *("long axis", "surfaces", *FORM_COLUMNS),
        title=f"means, medians of ratios; real without {report.cleaning.not_single} that are no "
        "single lymph node",
    )
    close = Table(
        *("long axis", "surfaces", "n", *CLOSENESS, "memorization"),
        title="n of one against n of the other, mean of draws",
    )
    for name, found in report.bins.items():
        for kind, form in (("real", found.real), ("generated", found.generated)):
            cells = ["-"] * len(FORM_COLUMNS) if form is None else form_cells(form)
            look.add_row(name, kind, *cells)
        for kind in dict.fromkeys([*found.closeness, *found.memorization]):
            cells = closeness_cells(found.closeness.get(kind))
            close.add_row(name, kind, *cells, shown(found.memorization.get(kind)))
    return [look, close]


def cleaning_line(cleaning: Cleaning) -> str:
    """What cleaning did to the real masks."""
    return (
        f"surfaces of {cleaning.masks} real masks: Dice {cleaning.dice:.3f} (5 %: "
        f"{cleaning.dice_5:.3f}), volume times {cleaning.volume_ratio:.3f} ("
        f"{cleaning.volume_ratio_extremes[0]:.3f}-{cleaning.volume_ratio_extremes[1]:.3f}); "
        f"{cleaning.not_single} are no single lymph node (solidity below {LEAST_SOLIDITY:.2f}, or "
        "cut off)"
    )


def form_cells(form: Form) -> list[str]:
    """Number of surfaces, and what they look like."""
    ratios = (form.mid_long, form.thin_long, form.thin_long_5)
    return [
        str(form.count),
        f"{form.sphericity:.3f}",
        f"{form.solidity:.3f}",
        *(f"{ratio:.2f}" for ratio in ratios),
        f"{form.valid:.1%}",
    ]


def closeness_cells(closeness: Closeness | None) -> list[str]:
    """Number of surfaces, and CLOSENESS with intervals."""
    if closeness is None:
        return ["-"] * (1 + len(CLOSENESS))
    found = (getattr(closeness, name) for name in CLOSENESS)
    return [str(closeness.number), *(f"{e.value:.2f} ({e.low:.2f}-{e.high:.2f})" for e in found)]
