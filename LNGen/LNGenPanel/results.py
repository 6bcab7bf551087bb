"""The section Results: what was painted, before and after, undo and export."""

from __future__ import annotations

import ctk
import qt
import slicer
from slicer.i18n import tr as _

from LNGenLib.mrml.export import write_result, write_training_case
from LNGenLib.mrml.results import RECORDS, TO_CT, records, result_reader
from LNGenLib.mrml.undo import undo, undo_all
from LNGenLib.synthesis.request import HARDLY_SEEN
from LNGenLib.synthesis.result import LymphNodeRecord
from LNGenPanel.backend import RED
from LNGenPanel.parameters import chosen, lookOf

SEEN = 4  # column of the conspicuity


class ResultsSection:
    """Binds the section's widgets."""

    def __init__(self, panel):
        self.panel, self.ui = panel, panel.ui
        self.ui.resultSelector.addAttribute("vtkMRMLScalarVolumeNode", RECORDS)
        self.ui.folderEdit.filters = ctk.ctkPathLineEdit.Dirs
        self._rows = ()
        table = self.ui.resultsTable
        table.setHorizontalHeaderLabels(
            [_("LN"), _("Station"), _("Size, mm"), _("HU"), _("Conspicuity")]
        )
        seen = _("Peak change of HU over the level of the noise there; below {least:g} hardly seen")
        table.horizontalHeaderItem(SEEN).setToolTip(seen.format(least=HARDLY_SEEN))
        header = table.horizontalHeader()
        header.setSectionResizeMode(qt.QHeaderView.ResizeToContents)
        header.setSectionResizeMode(1, qt.QHeaderView.Stretch)
        table.connect("itemSelectionChanged()", self._onSelection)
        self.ui.originalButton.connect("toggled(bool)", self.show)
        self.ui.undoButton.connect("clicked(bool)", self._onUndo)
        self.ui.undoAllButton.connect("clicked(bool)", self._onUndoAll)
        self.ui.exportButton.connect("clicked(bool)", self._onExport)
        self.ui.trainingButton.connect("clicked(bool)", self._onTrainingCase)

    def update(self) -> None:
        """Show the lymph nodes of the chosen result that are not undone."""
        result = self.panel.parameters.result
        self._rows = () if result is None else records(result)
        table = self.ui.resultsTable
        was = table.blockSignals(True)
        table.setRowCount(len(self._rows))
        for row, record in enumerate(self._rows):
            self._fill(row, record)
        table.blockSignals(was)
        there = result is not None
        self.ui.originalButton.enabled = there and result.GetNodeReference(TO_CT) is not None
        idle = self.panel.jobs.running is None
        for button in (self.ui.exportButton, self.ui.trainingButton):
            button.enabled = there and idle
        self.ui.undoAllButton.enabled = bool(self._rows)
        self.ui.undoButton.enabled = self._selected() is not None

    def _fill(self, row: int, record: LymphNodeRecord) -> None:
        """A row of the table; how the lymph node looks is in its tool tip."""
        size = f"{record.long_axis_mm:.1f} x {record.short_axis_mm:.1f}"
        seen = "-" if record.conspicuity is None else f"{record.conspicuity:.1f}"
        warning = _("Can hardly be seen") if record.hardly_seen else ""
        hint = _("Click to look at it in the slice views")
        tip = "\n".join(filter(None, (lookOf(record), warning, hint)))
        name, hu = f"LN {record.label}", f"{record.mean_hu:.0f}"
        for column, text in enumerate((name, record.station or "", size, hu, seen)):
            item = qt.QTableWidgetItem(text)
            item.setToolTip(tip)
            if record.hardly_seen:
                item.setForeground(qt.QBrush(qt.QColor(RED)))
            self.ui.resultsTable.setItem(row, column, item)

    def show(self, original: bool = False) -> None:
        """Put the result into the slice views, or the CT that it was made of."""
        result = self.panel.parameters.result
        if result is not None:
            volume = result.GetNodeReference(TO_CT) if original else result
            slicer.util.setSliceViewerLayers(background=volume or result)

    def _selected(self):
        row = self.ui.resultsTable.currentRow()
        return self._rows[row] if 0 <= row < len(self._rows) else None

    def _onSelection(self) -> None:
        record = self._selected()
        self.ui.undoButton.enabled = record is not None
        if record is not None:
            self.panel.jump(record.center_ras_mm)

    def _onUndo(self, *_clicked) -> None:
        record = self._selected()
        if record is not None:
            with self.panel.status.saying():
                undo(self.panel.parameters.result, record.label)
            self.ui.resultsTable.clearSelection()
            self.update()

    def _onUndoAll(self, *_clicked) -> None:
        with self.panel.status.saying():
            undo_all(self.panel.parameters.result)
        self.update()

    def _onExport(self, *_clicked) -> None:
        self._export(write_result)

    def _onTrainingCase(self, *_clicked) -> None:
        self._export(write_training_case)

    def _export(self, write) -> None:
        parameters = self.panel.parameters

        def work(_progress):
            return write(read(), folder, name)

        def done(path):
            self.panel.status.say(_("Exported to {path}").format(path=path))

        with self.panel.status.saying():
            result = chosen(parameters.result, _("choose a result"))
            folder = parameters.folder
            read, name = result_reader(result), result.GetName()
            self.panel.start(work, done)
