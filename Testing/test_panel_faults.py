"""The panel where things go wrong: cancel, workers that die, scenes that close, reload."""

from __future__ import annotations

import time

import numpy as np
import psutil
import pytest

slicer = pytest.importorskip("slicer", reason="slicer-core has no wheel for this Python")
pytest.importorskip("PySide6")

from panel_story import PATIENCE, finish, load_phantom  # noqa: E402  isort: skip


def scene() -> list[tuple[str, str]]:
    """Class and name of all nodes."""
    nodes = slicer.mrmlScene.GetNodes()
    return [
        (nodes.GetItemAsObject(k).GetClassName(), nodes.GetItemAsObject(k).GetName())
        for k in range(nodes.GetNumberOfItems())
    ]


def start(host, panel) -> None:
    """Generate, and come back when the worker is at it."""
    host.click(panel.ui.generateButton)
    host.wait(lambda: panel.jobs.running.stage, PATIENCE, "the worker")


def test_cancel_ends_at_once_and_leaves_the_scene(host, panel):
    nodes, ct = scene(), slicer.util.arrayFromVolume(panel.parameters.ct).copy()
    start(host, panel)
    assert panel.ui.progressBar.visible and panel.ui.progressLabel.text
    begin = time.monotonic()
    host.click(panel.ui.generateButton)
    host.wait(lambda: panel.jobs.running is None, 2)
    assert time.monotonic() - begin < 2
    assert panel.ui.generateButton.text == "Generate" and not panel.ui.progressBar.visible
    assert "Canceled" in panel.ui.messageLabel.text
    client = panel.logic.backend._local.client
    host.wait(lambda: client.jobs()[-1].state.final, PATIENCE, "the worker's end of the job")
    assert client.jobs()[-1].state.value == "canceled"
    assert scene() == nodes
    assert np.array_equal(slicer.util.arrayFromVolume(panel.parameters.ct), ct)


@pytest.mark.parametrize("which", ["the service", "the worker below it"])
def test_a_process_that_is_killed_gives_a_message_and_a_usable_panel(host, panel, which):
    nodes = scene()
    start(host, panel)
    process = psutil.Process(panel.logic.backend._local.process.pid)
    (process if which == "the service" else process.children()[0]).kill()
    host.wait(lambda: panel.jobs.running is None, 30, "the message")
    assert "ended" in panel.ui.messageLabel.text and panel.status.failed
    assert panel.ui.messageIcon.visible
    assert scene() == nodes
    host.click(panel.ui.generateButton)
    finish(host, panel)
    assert panel.ui.resultsTable.rowCount == 1


def test_a_scene_that_closes_takes_the_job_along(host, panel):
    host.clear()
    nodes = scene()
    load_phantom(host)
    host.choose(panel.ui.ctSelector, "CT")
    host.choose(panel.ui.anatomySelector, "organs")
    start(host, panel)
    client = panel.logic.backend._local.client
    host.clear()
    assert panel.jobs.running is None
    host.wait(lambda: client.jobs()[-1].state.final, PATIENCE, "the worker's end of the job")
    host.turn()
    assert scene() == nodes
    assert panel.parameters.ct is None and not panel.ui.generateButton.enabled


def test_a_ct_that_is_removed_meanwhile_is_missed(host, panel):
    start(host, panel)
    slicer.mrmlScene.RemoveNode(panel.parameters.ct)
    host.wait(lambda: panel.jobs.running is None, PATIENCE, "the job")
    assert "no longer in the scene" in panel.ui.messageLabel.text
    assert not slicer.mrmlScene.GetNodesByName("CT SYNTHETIC").GetNumberOfItems()


def test_reload_ends_the_worker_and_gives_a_working_panel(host, panel):
    start(host, panel)
    process = panel.logic.backend._local.process
    again = host.reload().panel
    assert process.poll() is not None
    assert again is not panel and again.ui.ctSelector.currentNode().GetName() == "CT"
    assert again.ui.generateButton.text == "Generate" and again.ui.generateButton.enabled
