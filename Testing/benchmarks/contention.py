"""How long does a synthesis take beside other work? Seconds of `lngen synthesize`, start included.

Ten lymph nodes are painted into a CT while 0, 1 and 4 processes keep a core busy each; the table
has medians and their ratio to the idle machine. Start it on a machine that does nothing else.

    python Testing/benchmarks/contention.py CT --anatomy LABELS
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, Optional

import typer
from rich.console import Console
from rich.table import Table

BUSY = "while True: pass"
BESIDE = (0, 1, 4)  # busy processes


def seconds(ct: Path, anatomy: Path | None, count: int, beside: int) -> float:
    """Of one run beside that many busy processes."""
    command = [str(Path(sys.executable).with_name("lngen")), "synthesize", str(ct)]
    command += ["--count", str(count), "--seed", "3"]
    command += [] if anatomy is None else ["--anatomy", str(anatomy)]
    others = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(beside)]
    try:
        with tempfile.TemporaryDirectory() as folder:
            begin = time.perf_counter()
            subprocess.run([*command, "-o", f"{folder}/out"], check=True, capture_output=True)
            return time.perf_counter() - begin
    finally:
        for other in others:
            other.kill()
            other.wait()


def main(
    ct: Path,
    anatomy: Annotated[Optional[Path], typer.Option()] = None,
    count: int = 10,
    runs: int = 5,
) -> None:
    seconds(ct, anatomy, count, 0)  # fills the disk's cache
    table = Table(title=f"{count} lymph nodes, medians of {runs}")
    for name in ("busy processes", "seconds", "/ idle"):
        table.add_column(name, justify="right")
    medians = []
    for beside in BESIDE:
        medians.append(statistics.median(seconds(ct, anatomy, count, beside) for _ in range(runs)))
        table.add_row(str(beside), f"{medians[-1]:.1f}", f"{medians[-1] / medians[0]:.2f}")
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
