"""Reports as tables for the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from LNGenLib.evaluation.distribution import CLOSENESS, Estimate
from LNGenLib.structure.surface import LEAST_SOLIDITY

FORM = (
    *("count", "sphericity", "solidity", "mid/long", "thin/long", "5 %"),
    "one piece, no holes, genus 0",
)

if TYPE_CHECKING:
    from LNGenLib.evaluation.realism.fidelity import Fidelity
    from LNGenLib.evaluation.realism.texture import TextureReport
    from LNGenLib.evaluation.shape.comparison import StructureReport
    from LNGenLib.evaluation.shape.reference import Closeness
    from LNGenLib.evaluation.shape.surfaces import Cleaning, Form


def texture_table(report: TextureReport) -> Table:
    """A row a class that was to be told from real bodies, by the names of the figures in JSON; 80
    columns wide."""
    columns = ["pairs", "missed", "AUC", "seen", "features", "CNN", "HU (KS)", "found"]
    table = Table("class", *columns, title="told from real bodies", padding=0)
    for kind, verdict in report.verdicts.items():
        table.add_row(
            kind,
            str(verdict.pairs),
            str(verdict.missed),
            f"{verdict.auc:.3f} ({verdict.low:.3f}-{verdict.high:.3f})",
            figure(verdict.seen),
            figure(verdict.features),
            figure(verdict.cnn),
            figure(report.hu[kind]),
            f"{report.found[kind]:.0%}",
        )
    return table


def fidelity_table(fidelity: dict[str, Fidelity]) -> Table:
    """A row a scan."""
    table = Table("scan", "nodes", "noise at lag", "edge", "mean HU", "small nodes", "slope")
    for name, found in fidelity.items():
        noise = [f"{lag}: {_ratio(found.noise[lag])}" for lag in found.noise]
        table.add_row(
            name,
            str(found.nodes),
            ", ".join(noise),
            _ratio(found.edge),
            f"{found.mean:.0f} (SD {found.deviation:.0f})",
            str(found.small_nodes),
            f"{found.slope:.2f}",
        )
    return table


def figure(value: float | None) -> str:
    """A figure, or a dash where there is none."""
    return "-" if value is None else f"{value:.3f}"


def interval(estimate: Estimate) -> str:
    """A figure and its interval, or a dash where there is nothing to count."""
    if estimate.value != estimate.value:
        return "-"
    return f"{estimate.value:.3f} ({estimate.low:.3f} to {estimate.high:.3f})"


def _ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def structure_tables(report: StructureReport) -> list[Table]:
    """How surfaces look, and how close generated ones are to real ones, a row a set in each bin."""
    look = Table(
        *("long axis", "surfaces", *FORM),
        title=f"means, medians of ratios; real without {report.cleaning.not_single} that are no "
        "single lymph node",
    )
    close = Table(
        *("long axis", "surfaces", "n", *CLOSENESS, "memorization"),
        title="n of one against n of the other, mean of draws",
    )
    for name, found in report.bins.items():
        for kind, form in (("real", found.real), ("generated", found.generated)):
            look.add_row(name, kind, *(["-"] * len(FORM) if form is None else form_cells(form)))
        for kind in dict.fromkeys([*found.closeness, *found.memorization]):
            close.add_row(
                name,
                kind,
                *closeness_cells(found.closeness.get(kind)),
                figure(found.memorization.get(kind)),
            )
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
        f"{form.sound:.1%}",
    ]


def closeness_cells(closeness: Closeness | None) -> list[str]:
    """Number of surfaces, and CLOSENESS with intervals."""
    if closeness is None:
        return ["-"] * (1 + len(CLOSENESS))
    found = (getattr(closeness, name) for name in CLOSENESS)
    return [str(closeness.number), *(f"{e.value:.2f} ({e.low:.2f}-{e.high:.2f})" for e in found)]
