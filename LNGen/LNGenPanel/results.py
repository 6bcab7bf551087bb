"""The section Results: what was painted, before and after, undo and export."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from LNGenLib.mrml.camera import look_at
from LNGenLib.mrml.export import write_result, write_training_case
from LNGenLib.mrml.results import (
    RECORDS,
    TO_CT,
    TO_SEGMENTATION,
    records,
    result_reader,
    show_alone,
)
from LNGenLib.mrml.undo import undo, undo_all
from LNGenLib.synthesis.request import HARDLY_SEEN
from LNGenLib.synthesis.result import LymphNodeRecord
from LNGenPanel.asking import askFolder, confirmed
from LNGenPanel.jobs import Jobs
from LNGenPanel.request import chosen
from LNGenPanel.section import Section
from LNGenPanel.status import Status
from LNGenPanel.tables import fillRow, jump, nameColumns
from LNGenPanel.texts import rowOf, tipOf

NUMBERS = SIZE, HU, SEEN = 2, 3, 4  # columns
RESULTS, DATA = "LNGen/resultsFolder", "LNGen/dataFolder"  # settings


class ResultsSection(Section):
    """Binds the section's widgets."""

    def __init__(self, ui: Any, jobs: Jobs, status: Status):
        self.ui, self.jobs, self.status = ui, jobs, status
        self.live = False  # whether the result follows the preview
        self._rows: tuple[LymphNodeRecord, ...] = ()
        self._result: slicer.vtkMRMLScalarVolumeNode | None = None
        ui.resultSelector.addAttribute("vtkMRMLScalarVolumeNode", RECORDS)
        texts = (
            _("LN"),
            _("Station"),
            _("Long x short\naxis (mm)"),
            _("Mean\nHU"),
            _("Conspicuity"),
        )
        nameColumns(ui.resultsTable, texts)
        tip = _("As on the slice: the long axis there, and the width at a right angle to it")
        ui.resultsTable.horizontalHeaderItem(SIZE).setToolTip(tip)
        tip = _("Peak change of HU over the level of the noise there; below {least:g} hardly seen")
        ui.resultsTable.horizontalHeaderItem(SEEN).setToolTip(tip.format(least=HARDLY_SEEN))
        ui.resultsTable.connect("itemSelectionChanged()", self._onSelection)
        ui.opacitySlider.connect("valueChanged(int)", self._onOpacity)
        ui.undoButton.connect("clicked(bool)", self._onUndo)
        ui.undoAllButton.connect("clicked(bool)", self._onUndoAll)
        ui.exportButton.connect("clicked(bool)", self._onExport)
        ui.trainingButton.connect("clicked(bool)", self._onTrainingCase)

    def update(self) -> None:
        """Show the lymph nodes of the chosen result that are not undone."""
        result = self.parameters.result
        there, idle = result is not None, self.jobs.idle
        if result is not self._result:
            self._result = result
            self.ui.resultsCollapsibleButton.collapsed = not there
            show_alone(slicer.mrmlScene, result)
            if there:
                self._show()
        rows = records(result) if there else ()
        if rows != self._rows:
            self._rows = rows
            self._fill()
        self.ui.opacitySlider.enabled = there and result.GetNodeReference(TO_CT) is not None
        for button in (self.ui.exportButton, self.ui.trainingButton):
            button.enabled = there and idle
        self._offerUndo()

    def reveal(self) -> None:
        """Bring a new result before the user's eyes: its table, its first lymph node, its CT."""
        self.update()
        look_at(self.parameters.result.GetNodeReference(TO_SEGMENTATION))
        self.ui.opacitySlider.value = 100
        self.ui.resultsTable.selectRow(0)
        qt.QTimer.singleShot(0, self._reach)  # once the table has its height

    def _reach(self) -> None:
        if self.parameters is None:  # the panel was closed meanwhile
            return
        self.ui.sectionsArea.ensureWidgetVisible(self.ui.exportButton)
        self.ui.sectionsArea.ensureWidgetVisible(self.ui.resultsTable)

    def _fill(self) -> None:
        table = self.ui.resultsTable
        warning = table.style().standardIcon(qt.QStyle.SP_MessageBoxWarning)
        was = table.blockSignals(True)
        table.clearSelection()
        table.setCurrentCell(-1, -1)
        table.setRowCount(len(self._rows))
        for row, record in enumerate(self._rows):
            fillRow(table, row, rowOf(record), NUMBERS, tipOf(record))
            table.item(row, SEEN).setIcon(warning if record.hardly_seen else qt.QIcon())
        table.blockSignals(was)

    def _show(self) -> None:
        """Lay the result over the CT that it was made of."""
        result = self.parameters.result
        ct = result.GetNodeReference(TO_CT)
        opacity = self.ui.opacitySlider.value / 100
        if ct is None:
            slicer.util.setSliceViewerLayers(background=result, foreground=None)
        else:
            slicer.util.setSliceViewerLayers(ct, result, foregroundOpacity=opacity)

    def _selected(self) -> LymphNodeRecord | None:
        row = self.ui.resultsTable.currentRow()
        return self._rows[row] if 0 <= row < len(self._rows) else None

    def _offerUndo(self) -> None:
        """Let lymph nodes be removed here, unless they are in the preview."""
        self.ui.undoAllButton.enabled = bool(self._rows) and not self.live
        self.ui.undoButton.enabled = self._selected() is not None and not self.live

    def _onSelection(self) -> None:
        record = self._selected()
        self._offerUndo()
        if record is not None:
            jump(record.center_ras_mm)

    def _onOpacity(self, _value: int) -> None:
        if self.parameters is not None and self.parameters.result is not None:
            self._show()

    def _onUndo(self, *_clicked) -> None:
        record = self._selected()
        if record is not None:
            with self.status.saying():
                undo(self.parameters.result, record.label)
                self._left()
            self.update()

    def _onUndoAll(self, *_clicked) -> None:
        text = _("Remove all {count} lymph nodes of {name}? This can't be undone.")
        name = self.parameters.result.GetName()
        if confirmed(text.format(count=len(self._rows), name=name)):
            with self.status.saying():
                undo_all(self.parameters.result)
                self._left()
            self.update()

    def _left(self) -> None:
        """Say what is in the result now."""
        result = self.parameters.result
        text = _("SYNTHETIC lymph nodes left in {name}: {count}.")
        self.status.say(text.format(name=result.GetName(), count=len(records(result))))

    def _onExport(self, *_clicked) -> None:
        caption = _("Folder for the result: a new folder is made in it")
        self._export(write_result, caption, RESULTS)

    def _onTrainingCase(self, *_clicked) -> None:
        caption = _("Folder of the data set that the result joins")
        self._export(write_training_case, caption, DATA)

    def _export(self, write, caption: str, setting: str) -> None:
        with self.status.saying():
            result = chosen(self.parameters.result, _("Select a result."))
            folder = askFolder(caption, setting)
            if not folder:
                return
            read, name = result_reader(result), result.GetName()

            def work(_progress):
                return write(read(), Path(folder), name)

            def done(path):
                self.status.say(_("Exported to {path}.").format(path=path))

            self.jobs.start(work, done)
