"""Do painted lymph nodes have the noise, the edges and the partial volume of their scan?

The part of `lngen evaluate texture` that needs one CT and no classifier.

    python Testing/benchmarks/fidelity.py CT CT ...
"""

from __future__ import annotations

from pathlib import Path

import typer
from rich.console import Console

from LNGenLib.evaluation.realism.fidelity import measure_fidelity
from LNGenLib.evaluation.realism.tables import fidelity_table
from LNGenLib.image.io import as_ct, read_ct
from LNGenLib.progress import SILENT
from LNGenLib.synthesis.models import Models


def main(cts: list[Path], seed: int = 0) -> None:
    """Print a row for each CT."""
    models = Models("cpu")
    found = {
        path.name: measure_fidelity(as_ct(read_ct(path)), models, seed, SILENT) for path in cts
    }
    Console().print(fidelity_table(found))


if __name__ == "__main__":
    typer.run(main)
