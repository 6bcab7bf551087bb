"""What the panel asks the user in dialogs."""

from __future__ import annotations

from pathlib import Path

import ctk
import qt
import slicer


def confirmed(text: str) -> bool:
    """Whether the user agrees; who just presses Enter does not."""
    box = ctk.ctkMessageBox(slicer.util.mainWindow())
    box.text = text
    box.setStandardButtons(qt.QMessageBox.Yes | qt.QMessageBox.No)
    box.setDefaultButton(qt.QMessageBox.No)
    box.deleteLater()
    return box.exec_() == qt.QMessageBox.Yes


def askFolder(caption: str, setting: str) -> str:
    """A folder that the user picks, beginning where the last one was; empty where none is."""
    settings = qt.QSettings()
    start = settings.value(setting, "") or str(Path.home())
    folder = qt.QFileDialog.getExistingDirectory(slicer.util.mainWindow(), caption, start)
    if folder:
        settings.setValue(setting, folder)
    return folder
