"""Reports as tables for the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from LNGenLib.evaluation.structures import Estimate, Form, Scores, StructureReport

if TYPE_CHECKING:
    from LNGenLib.evaluation.fidelity import Fidelity
    from LNGenLib.evaluation.texture import TextureReport


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
            _figure(verdict.seen),
            _figure(verdict.features),
            _figure(verdict.cnn),
            _figure(report.hu[kind]),
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


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def tables(report: StructureReport) -> list[Table]:
    """Closeness to all real shapes, to the test shapes, shares of sound shapes, and their form; a
    column for each set of shapes."""
    sets = {"generated": report.generated}
    if report.mirrored:
        sets["mirrored training"] = report.mirrored
    found = [_table("", {name: _closeness(scores) for name, scores in sets.items()})]
    if report.mirrored:
        held_out = {name: scores.held_out for name, scores in sets.items()}
        held_out["training"] = report.training_held_out
        columns = {name: _held_out(estimates) for name, estimates in held_out.items()}
        found.append(_table("against test", columns))
    topology = {"real": report.real_topology} | {name: s.topology for name, s in sets.items()}
    found.append(_table("share", {name: _shares(column) for name, column in topology.items()}))
    form = {"real": _forms(report.real_form)}
    form |= {f"{name} (KS)": _forms(s.form, compared=True) for name, s in sets.items()}
    return [*found, _table("mean and SD", form)]


def _table(corner: str, columns: dict[str, dict[str, str]]) -> Table:
    table = Table(corner, *columns)
    for row in next(iter(columns.values())):
        table.add_row(row, *[column[row] for column in columns.values()])
    return table


def _closeness(scores: Scores) -> dict[str, str]:
    memorization = scores.memorization
    return {
        "precision": _interval(scores.precision),
        "recall": _interval(scores.recall),
        "density": _interval(scores.density),
        "coverage": _interval(scores.coverage),
        "1-NNA": f"{scores.nearest_neighbor_accuracy:.3f}",
        "memorization": "-" if memorization is None else f"{memorization:.2f}",
    }


def _held_out(estimates: dict[str, Estimate]) -> dict[str, str]:
    return {name: _interval(estimates[name]) for name in ("precision", "recall", "coverage")}


def _shares(topology: dict[str, float]) -> dict[str, str]:
    return {name: f"{share:.1%}" for name, share in topology.items()}


def _forms(forms: dict[str, Form], compared: bool = False) -> dict[str, str]:
    return {
        name: f"{form.mean:.3f} {form.sd:.3f}" + (f" ({form.ks:.3f})" if compared else "")
        for name, form in forms.items()
    }


def _interval(estimate: Estimate) -> str:
    return f"{estimate.value:.3f} ({estimate.low:.3f}-{estimate.high:.3f})"
