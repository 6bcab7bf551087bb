"""What the tests of the panel share. Needs slicer-core and PySide6 (not 3D Slicer)."""

from __future__ import annotations

import os
from pathlib import Path

import slicer

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from LNGenLib.mrml.volumes import LABELS, to_volume  # noqa: E402
from LNGenLib.phantom import pelvic_phantom

MODULE = Path(__file__).parents[1] / "LNGen" / "LNGen.py"
BESIDE_RECTUM = (14.0, -48.0, -30.0)  # RAS mm: mesorectal fat of the phantom
PATIENCE = 240  # seconds for a job; a few on an idle machine


def load_phantom(host) -> None:
    """CT and organs of the pelvic phantom, at 3 mm, in the scene."""
    phantom = pelvic_phantom(1, (3.0, 3.0, 3.0))
    ct = to_volume(slicer.mrmlScene, phantom.ct, "CT")
    ct.GetDisplayNode().SetAutoWindowLevel(False)
    ct.GetDisplayNode().SetWindowLevel(400, 40)
    to_volume(slicer.mrmlScene, phantom.labels, "organs", LABELS)
    slicer.util.setSliceViewerLayers(background=ct, fit=True)
    host.turn()


def finish(host, panel) -> None:
    """Wait for the job that runs; AssertionError where it fails."""
    host.wait(lambda: panel.jobs.running is None, PATIENCE, "the job")
    host.turn()  # what the panel brings into view
    assert not panel.status.failed, panel.ui.messageLabel.text


def ask_for_one(host):
    """The panel in an empty scene but for CT and organs, both chosen, one lymph node of 8 mm asked
    for."""
    host.clear()
    load_phantom(host)
    panel = slicer.modules.lngen.widgetRepresentation().self().panel
    host.choose(panel.ui.ctSelector, "CT")
    host.choose(panel.ui.anatomySelector, "organs")
    host.type(panel.ui.countSpinBox, "1")
    host.choose(panel.ui.lawBox, "One size")
    return panel
