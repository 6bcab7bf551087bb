"""What would stain Slicer's error log: errors and warnings of Python, Qt and VTK."""

from __future__ import annotations

import logging
import os
import re
import sys
import warnings

import vtk
from PySide6 import QtCore

SILENT = QtCore.QtMsgType.QtDebugMsg, QtCore.QtMsgType.QtInfoMsg
EVENTS = vtk.vtkCommand.ErrorEvent, vtk.vtkCommand.WarningEvent


class Faults(logging.Handler):
    """Collects them between `start` and `stop`, as errors; `awaited` are none while it matches."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.found: list[BaseException] = []
        self.awaited: re.Pattern | None = None
        self.met = False

    def start(self) -> None:
        self._hook, sys.excepthook = sys.excepthook, self._raised
        self._warn, warnings.warn = warnings.warn, self._warned
        QtCore.qInstallMessageHandler(self._told)
        logging.getLogger().addHandler(self)
        self._output = vtk.vtkOutputWindow.GetInstance()

        def heard(_: object, __: str, text: str) -> None:
            self._note(RuntimeError(text.strip()))

        heard.CallDataType = "string0"
        self._tags = [self._output.AddObserver(event, heard) for event in EVENTS]

    def stop(self) -> None:
        for tag in self._tags:
            self._output.RemoveObserver(tag)
        logging.getLogger().removeHandler(self)
        QtCore.qInstallMessageHandler(None)
        sys.excepthook, warnings.warn = self._hook, self._warn

    def emit(self, record: logging.LogRecord) -> None:
        self._note(RuntimeError(record.getMessage()))

    def _note(self, error: BaseException) -> None:
        if self.awaited is not None and self.awaited.search(f"{type(error).__name__}: {error}"):
            self.met = True
        else:
            self.found.append(error)

    def _raised(self, kind: type, error: BaseException, trace: object) -> None:
        self._hook(kind, error, trace)
        self._note(error)

    def _warned(self, message: object, category: type | None = None, *more, **named) -> None:
        file = sys._getframe(1).f_code.co_filename
        of_others = "site-packages" in file and f"{os.sep}slicer{os.sep}" not in file
        if category in (None, UserWarning, RuntimeWarning) and not of_others:
            self._note(RuntimeError(str(message)))
        self._warn(message, category, *more, **named)

    def _told(self, kind: QtCore.QtMsgType, _: object, text: str) -> None:
        if kind not in SILENT and not text.startswith("This plugin does not"):  # no real windows
            self._note(RuntimeError(text))
