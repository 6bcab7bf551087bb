"""The score of a reader study as tables and lines for the terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.table import Column, Table

from LNGenLib.evaluation.estimate import Estimate, shown
from LNGenLib.study.scoring import Figures, Report

CAUTION = (
    "Few readers or cases make wide intervals, which tell of the likes of these alone: an AUC of "
    "0.5 within one does not prove that nobody can tell."
)


def score_tables(report: Report) -> Iterator[Table]:
    """Readers, groups, recognized nodes and comments, where there are any; 80 columns wide."""
    yield _readers(report)
    yield _groups(report)
    yield _recognized(report)
    if report.comments:
        yield _comments(report)


def score_lines(report: Report) -> Iterator[str]:
    """What the tables leave to say: pooled accuracy, agreement, differences, and a caution."""
    pooled = report.pooled
    names = ", ".join(pooled.readers)
    yield f"accuracy of {names}, pooled: {_interval(pooled.figures.accuracy)}"
    if pooled.kappa is not None:
        yield (
            f"agreement of {names}: quadratically weighted kappa {shown(pooled.kappa)}, the mean "
            "over pairs of readers"
        )
    for reader in report.readers:
        if reader.less_machine is not None:
            yield f"AUC of {reader.name} less the machine's: {_interval(reader.less_machine)}"
    yield CAUTION


def _readers(report: Report) -> Table:
    title = "painted told from real"
    table = Table("reader", "answered", *_columns(), "s a case", title=title, padding=0)
    cases = len(report.cases)
    for reader in report.readers:
        answered = f"{reader.answered} of {cases}"
        table.add_row(
            reader.name, answered, *_cells(reader.figures), shown(reader.seconds, digits=1)
        )
    table.add_section()
    pooled, count = report.pooled, len(report.pooled.readers)
    answered = f"{pooled.answered} of {count * cases}"
    table.add_row(f"pooled ({count})", answered, *_cells(pooled.figures), "")
    return table


def _groups(report: Report) -> Table:
    title = "pooled, by long axis and by appearance"
    table = Table("cases", "real", "painted", *_columns(), title=title, padding=0)
    for group in report.groups:
        table.add_row(group.name, str(group.real), str(group.painted), *_cells(group.figures))
    return table


def _recognized(report: Report) -> Table:
    columns = ["rating", "scan", "station", "long axis", "appearance", "RAS mm", "seed"]
    title = "painted nodes that were recognized most"
    table = Table("case", *columns, title=title, padding=0)
    for case in report.recognized:
        record = case.record or {}
        table.add_row(
            case.case,
            shown(case.rating, digits=2),
            case.scan,
            str(record.get("station") or "-"),
            f"{case.long_axis_mm:.1f} mm",
            case.appearance or "-",
            " ".join(f"{part:.0f}" for part in record.get("center_ras_mm", ())) or "-",
            str(record.get("seed", "-")),
        )
    return table


def _comments(report: Report) -> Table:
    table = Table("case", "truth", "rating", "reader", "comment", title="comments", padding=0)
    for one in report.comments:
        truth = "painted" if one.painted else "real"
        table.add_row(one.case, truth, f"{one.rating:g}", one.reader, one.comment)
    return table


def _columns() -> list[Column | str]:
    """The columns of `_cells`, of one table: a Column holds the cells of its own."""
    return [Column("AUC (95 % interval)", no_wrap=True), "accuracy", "sens.", "spec."]


def _cells(figures: Figures) -> list[str]:
    parts = (figures.accuracy, figures.sensitivity, figures.specificity)
    return [_interval(figures.auc), *(shown(None if one is None else one.value) for one in parts)]


def _interval(figure: Estimate | None) -> str:
    return "-" if figure is None else str(figure)
