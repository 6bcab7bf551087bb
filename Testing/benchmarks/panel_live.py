"""How soon is an edit seen? From the mouse's release to the new voxels in the scene, with Live.

The panel in the panel host (not 3D Slicer; views drawn in software), the worker of this machine, on
a CT of 512 x 512 x 110 voxels without labels and on the pelvic phantom with labels, 512 x 512 x
300. Lymph nodes are dragged, resized by the wheel, given another appearance, other random draws,
added, removed; edits that are refused are counted apart. `gap` is the longest time between two
ticks of the UI thread's event loop, every 5 ms, in any edit.

    python Testing/benchmarks/panel_live.py ../shared/data [--edits 50]
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import SimpleITK as sitk
import typer
from rich.console import Console
from rich.table import Table

TESTING = Path(__file__).parents[1]
sys.path.insert(0, str(TESTING))
sys.path.insert(0, str(TESTING / "benchmarks"))
import slicer
from panel_gaps import CT, MODULE, gaps
from panel_host import PanelHost

from LNGenLib.image.geometry import index_to_ras
from LNGenLib.image.grid import corner
from LNGenLib.image.io import read_image
from LNGenLib.mrml.markups import planned
from LNGenLib.mrml.volumes import LABELS, to_volume
from LNGenLib.phantom import pelvic_phantom
from LNGenLib.placement.candidate_region import CandidateRegion, deep, find_region
from LNGenLib.scan import Scan
from LNGenLib.synthesis.region import region_of
from LNGenLib.synthesis.request import SynthesisRequest

KINDS = ("drag", "wheel", "appearance", "another", "add", "remove", "undo")
SHARES = (0.4, 0.2, 0.1, 0.1, 0.1, 0.05, 0.05)
FIRST = 5  # lymph nodes that are added before


def places(scan: Scan, region: CandidateRegion, rng: np.random.Generator) -> np.ndarray:
    """Points (n, 3) of fat, RAS mm."""
    found = [part.candidates[0] for part in region.subregions if len(part.candidates[0])]
    voxels = rng.permutation(np.concatenate(found))[:200] + corner(region.box)
    return index_to_ras(scan.ct, voxels)


class Editor:
    """Edits in the panel of a host, by the mouse."""

    def __init__(self, host: PanelHost, points: np.ndarray, rng: np.random.Generator):
        self.host, self.panel, self.rng = host, slicer.modules.lngen.widgetRepresentation(), rng
        self.panel = self.panel.self().panel
        self.ui, self.points = self.panel.ui, list(map(tuple, points.tolist()))
        self.view = host.views["Red"]

    def prepared(self, kind: str) -> Callable[[], object]:
        """What is left to be done of an edit when the user lets go."""
        ui, nodes = self.ui, planned(self.panel.parameters.preview)
        if kind == "add":
            point = self.points.pop()
            ui.previewPlaceWidget.placeModeEnabled = True
            self.view.go_to(point)
            self.host.turn()
            return lambda: self.view.click(point)
        row = int(self.rng.integers(len(nodes)))
        self.host.click_cell(ui.previewTable, row, 0)
        self.host.turn()
        point = nodes[row].center_ras_mm
        if kind == "drag":
            end = tuple(np.add(point, (*self.rng.uniform(-3, 3, 2), 0.0)))
            self.view.drag_to(point, end)
            return lambda: self.view.release(end)
        if kind == "appearance":
            look = 1 - ui.nodeLookBox.currentIndex
            ui.nodeLookBox.setCurrentIndex(look)
            return lambda: ui.nodeLookBox.activated.emit(look)
        if kind == "wheel":
            self.view.hover(point)
            self.host.turn()
            return lambda: self.view.wheel(point, int(self.rng.choice([-1, 1])))
        button = {"another": ui.varyButton, "remove": ui.deleteButton, "undo": ui.undoEditButton}
        return lambda: self.host.click(button[kind])

    def seconds(self, kind: str) -> tuple[float | None, float]:
        """From letting go to the new voxels, None where it is refused; and the longest gap."""
        act, seen, panel = self.prepared(kind), [], self.panel
        voxels = panel.parameters.result.GetImageData().GetPointData().GetScalars()
        tag = voxels.AddObserver("ModifiedEvent", lambda *_: seen.append(time.perf_counter()))
        begun = time.perf_counter()

        def over() -> bool:
            late = time.perf_counter() - begun > 1  # nothing may be left to be done
            return panel.jobs.running is None and (bool(seen) or panel.status.failed or late)

        try:
            ticks = gaps(act, over)
        finally:
            voxels.RemoveObserver(tag)
            self.ui.previewPlaceWidget.placeModeEnabled = False
        return (seen[-1] - begun if seen else None), float(ticks[:, 0].max())


def measured(
    host: PanelHost, ct: sitk.Image, labels: sitk.Image | None, edits: int
) -> list[list[str]]:
    """A row for each kind of edit, and one for all."""
    rng = np.random.default_rng(0)
    scan = Scan(ct, labels)
    region = region_of(scan, SynthesisRequest()) if labels else find_region(ct, None, deep(scan.hu))
    host.clear()
    volume = to_volume(slicer.mrmlScene, ct, "CT")
    slicer.util.setSliceViewerLayers(background=volume, fit=True)
    panel = slicer.modules.lngen.widgetRepresentation().self().panel
    host.choose(panel.ui.ctSelector, "CT")
    if labels:
        to_volume(slicer.mrmlScene, labels, "organs", LABELS)
        host.choose(panel.ui.anatomySelector, "organs")
    host.click(panel.ui.liveCheckBox)
    host.wait(lambda: panel.live.session is not None, 300, "Live")
    editor = Editor(host, places(scan, region, rng), rng)
    while len(planned(panel.parameters.preview)) < FIRST:
        editor.seconds("add")
    found: dict[str, list[float]] = {kind: [] for kind in KINDS}
    refused, longest = dict.fromkeys(KINDS, 0), dict.fromkeys(KINDS, 0.0)
    for kind in rng.choice(KINDS, edits, p=SHARES).tolist():
        spent, gap = editor.seconds(kind)
        longest[kind] = max(longest[kind], gap)
        if spent is None:
            refused[kind] += 1
        else:
            found[kind].append(spent)
    rows = {kind: (found[kind], refused[kind], longest[kind]) for kind in KINDS}
    whole = [spent for each in found.values() for spent in each]
    rows["all"] = whole, sum(refused.values()), max(longest.values())
    size = " x ".join(map(str, ct.GetSize()))
    return [[size, name, *_row(*row)] for name, row in rows.items()]


def _row(seconds: list[float], refused: int, gap: float) -> list[str]:
    ranks = np.percentile(seconds, (50, 95, 100)) if seconds else [float("nan")] * 3
    return [str(len(seconds)), str(refused), *(f"{s:.2f}" for s in ranks), f"{1000 * gap:.0f}"]


def main(data: Path, edits: int = 50) -> None:
    """Print the table."""
    table = Table(title="Seconds from letting go to the new voxels; gaps of the UI in ms")
    for name in ("CT", "edit", "done", "refused", "50 %", "95 %", "max", "gap"):
        table.add_column(name, justify="left" if name in ("CT", "edit") else "right")
    phantom = pelvic_phantom(0, (0.75, 0.75, 1.0), (512, 512, 300))
    with PanelHost() as host:
        host.open(MODULE)
        for ct, labels in ((read_image(data / CT), None), (phantom.ct, phantom.labels)):
            for row in measured(host, ct, labels, edits):
                table.add_row(*row)
    Console(width=120).print(table)


if __name__ == "__main__":
    typer.run(main)
