"""Does the panel stay alive while it works? Gaps of the UI thread's event loop during real runs.

The panel in the panel host (not 3D Slicer; views drawn in software), a 512 x 512 x 110 CT, a box as
the place, the worker on one thread. A timer ticks every 5 ms; a gap is the time between two ticks,
from the click that starts a step to the results on the screen. `share` is the part of the time
that lies in gaps of over 200 ms; `CPU` is the most that the UI thread itself computed in a gap,
which a busy machine doesn't lengthen.

    python Testing/benchmarks/panel_gaps.py ../shared/data
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # of the worker, which inherits it

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

TESTING = Path(__file__).parents[1]
sys.path.insert(0, str(TESTING))
import slicer
from panel_host import PanelHost
from PySide6 import QtCore
from rois import to_roi

from LNGenLib.image.io import read_image
from LNGenLib.mrml.volumes import to_volume

MODULE = TESTING.parent / "LNGen" / "LNGen.py"
CT = "ct/radiogenomics_r01_lower.nii.gz"
EVERY = 5  # ms
LONG = 0.2  # seconds: a user sees a longer gap
SIZE = 70  # mm, the side of the box in the middle of the CT


def gaps(act: Callable[[], None], done: Callable[[], bool]) -> np.ndarray:
    """Seconds between ticks of the event loop from `act` until `done` holds, and the UI thread's
    CPU seconds in each, (n, 2)."""
    loop, ticks, acted = QtCore.QEventLoop(), [], []

    def tick() -> None:
        ticks.append((time.perf_counter(), time.thread_time()))
        if acted and done():
            loop.quit()

    timer = QtCore.QTimer()
    timer.setTimerType(QtCore.Qt.PreciseTimer)
    timer.setInterval(EVERY)
    timer.timeout.connect(tick)
    tick()
    QtCore.QTimer.singleShot(0, lambda: acted.append(act()))
    timer.start()
    loop.exec()
    timer.stop()
    return np.diff(ticks, axis=0)


def main(data: Path, nodes: int = 5, runs: int = 3) -> None:
    steps: dict[str, list[np.ndarray]] = {"preview": [], "generate": [], "undo one": []}
    with PanelHost() as host:
        panel = host.open(MODULE).panel
        ui = panel.ui
        ct = to_volume(slicer.mrmlScene, read_image(data / CT), "CT")
        slicer.util.setSliceViewerLayers(background=ct, fit=True)
        bounds = [0.0] * 6
        ct.GetRASBounds(bounds)
        middle = np.reshape(bounds, (3, 2)).mean(axis=1)
        box = np.column_stack([middle - SIZE / 2, middle + SIZE / 2]).ravel()
        to_roi(slicer.mrmlScene, tuple(box), "box")
        ui.advancedCollapsibleButton.collapsed = False
        host.choose(ui.ctSelector, "CT")
        host.choose(ui.placeBox, "Box (ROI)")
        host.choose(ui.roiSelector, "box")
        host.type(ui.countSpinBox, str(nodes))
        host.choose(ui.lawBox, "Clinical: most 3 to 10 mm")
        idle = lambda: panel.jobs.running is None  # noqa: E731
        for run in range(runs + 1):
            host.type(ui.seedSpinBox, str(run))
            found = {"preview": gaps(lambda: host.click(ui.previewButton), idle)}
            found["generate"] = gaps(lambda: host.click(ui.generateButton), idle)
            host.click_cell(ui.resultsTable, 0, 0)
            found["undo one"] = gaps(lambda: host.click(ui.undoButton), idle)
            if panel.status.failed:
                raise SystemExit(panel.ui.messageLabel.text)
            for name, each in found.items() if run else ():  # the first loads the models
                steps[name].append(each)
    table = Table(title=f"Event-loop gaps in ms, {nodes} lymph nodes, {runs} runs")
    for name in ("step", "seconds", "gaps", "50 %", "90 %", "99 %", "max", "CPU", "share"):
        table.add_column(name, justify="left" if name == "step" else "right")
    for name, found in steps.items():
        each, computed = np.concatenate(found).T
        rank = (f"{1000 * value:.0f}" for value in np.percentile(each, (50, 90, 99, 100)))
        share = each[each > LONG].sum() / each.sum()
        total = f"{each.sum() / runs:.1f}"
        table.add_row(
            name,
            total,
            str(len(each)),
            *rank,
            f"{1000 * computed.max():.0f}",
            f"{100 * share:.1f} %",
        )
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
