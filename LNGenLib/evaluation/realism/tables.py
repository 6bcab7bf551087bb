"""Reports of realism as tables for the terminal."""

from __future__ import annotations

from rich.table import Table

from LNGenLib.evaluation.estimate import shown
from LNGenLib.evaluation.realism.fidelity import Fidelity
from LNGenLib.evaluation.realism.texture import TextureReport


def texture_table(report: TextureReport) -> Table:
    """A row a class that was to be discriminated from real bodies, by the names of the figures in
    JSON; 80 columns wide."""
    columns = ["pairs", "missed", "AUC", "seen", "features", "CNN", "HU (KS)", "found"]
    table = Table("class", *columns, title="discriminated from real bodies", padding=0)
    for kind, found in report.auc.items():
        table.add_row(
            kind,
            str(found.pairs),
            str(found.missed),
            f"{found.auc:.3f} ({found.low:.3f}-{found.high:.3f})",
            *map(shown, (found.seen, found.features, found.cnn, report.hu[kind])),
            f"{report.found[kind]:.0%}",
        )
    return table


def fidelity_table(fidelity: dict[str, Fidelity]) -> Table:
    """A row a scan."""
    table = Table("scan", "nodes", "noise at lag", "edge", "mean HU", "small nodes", "slope")
    for name, found in fidelity.items():
        table.add_row(
            name,
            str(found.nodes),
            ", ".join(f"{lag}: {shown(ratio, 2)}" for lag, ratio in found.noise.items()),
            shown(found.edge, 2),
            f"{found.mean:.0f} (SD {found.deviation:.0f})",
            str(found.small_nodes),
            f"{found.slope:.2f}",
        )
    return table
