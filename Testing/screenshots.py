"""Screenshots of the panel in the panel host (not 3D Slicer), at 400 and at 700 pixels, on a
small laptop's screen.

By mouse and keys: previewed, generated, generated in a wide panel. Without a CT it shows the
built-in phantom.

    python Testing/screenshots.py Resources/Screenshots --ct CT.nii.gz --anatomy ORGANS.nii.gz
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Optional

import slicer
import typer
from panel_host import PanelHost
from PIL import Image
from PySide6 import QtWidgets

from LNGenLib.image.io import read_image
from LNGenLib.mrml.volumes import LABELS, to_volume
from LNGenLib.phantom import pelvic_phantom

MODULE = Path(__file__).parents[1] / "LNGen" / "LNGen.py"
WINDOW = 1366, 768  # pixels
COLORS = 96  # of a committed picture
FIELD = 150  # mm of the slices that are shown
PATIENCE = 600  # seconds for a job


def main(folder: Path, ct: Optional[Path] = None, anatomy: Optional[Path] = None) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with PanelHost() as host:
        panel = host.open(MODULE).panel
        ui = panel.ui

        def picture(name: str, width: int = 400) -> None:
            host.window.resize(*WINDOW)
            host.window.set_panel_width(width)
            host.turn()
            for view in slicer.app.layoutManager().slices.values():
                wide, high, thick = view.node.GetFieldOfView()
                view.node.SetFieldOfView(FIELD, FIELD * high / wide, thick)
            slicer.app.layoutManager().resetThreeDViews()
            path = folder / f"{name}.png"
            host.screenshot(path, width)
            image = Image.open(path).convert("RGB")
            image.quantize(
                COLORS, Image.Quantize.MAXCOVERAGE, kmeans=2, dither=Image.Dither.NONE
            ).save(path, optimize=True)

        def run(button: QtWidgets.QPushButton) -> None:
            host.click(button)
            host.wait(lambda: panel.jobs.running is None, PATIENCE, button.text)

        phantom = pelvic_phantom(1, (2.0, 2.0, 2.0)) if ct is None else None
        image = phantom.ct if phantom else read_image(ct)
        organs = phantom.labels if phantom else read_image(anatomy)
        host.views["3D"].node.SetAxisLabelsVisible(False)
        volume = to_volume(slicer.mrmlScene, image, "CT")
        volume.GetDisplayNode().AutoWindowLevelOff()
        volume.GetDisplayNode().SetWindowLevelMinMax(-175, 250)
        to_volume(slicer.mrmlScene, organs, "Organs", LABELS)
        slicer.util.setSliceViewerLayers(background=volume, label=None, fit=True)
        host.choose(ui.ctSelector, "CT")
        host.choose(ui.anatomySelector, "Organs")
        host.type(ui.countSpinBox, "5")
        host.choose(ui.lawBox, "Uniform over a range")
        low, high = ui.rangeWidget.findChildren(QtWidgets.QDoubleSpinBox)
        host.type(high, "18")
        host.type(low, "8")
        host.click(ui.advancedCollapsibleButton)
        host.type(ui.seedSpinBox, "3")
        host.click(ui.advancedCollapsibleButton)
        run(ui.previewButton)
        host.click_cell(ui.previewTable, 0, 0)
        picture("previewed")
        run(ui.generateButton)
        host.click_cell(ui.resultsTable, 0, 0)
        picture("generated")
        picture("generated_700", 700)


if __name__ == "__main__":
    typer.run(main)
