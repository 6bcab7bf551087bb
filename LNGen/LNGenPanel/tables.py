"""What the panel's tables of lymph nodes have in common."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import qt
import slicer


def nameColumns(table: qt.QTableWidget, texts: Sequence[str]) -> None:
    """Name the columns; the second, with the station, takes what room is left."""
    table.setHorizontalHeaderLabels(texts)
    header = table.horizontalHeader()
    header.setSectionResizeMode(qt.QHeaderView.ResizeToContents)
    header.setSectionResizeMode(1, qt.QHeaderView.Stretch)


def fillRow(
    table: qt.QTableWidget, row: int, texts: Sequence[str], numbers: Collection[int], tip: str
) -> None:
    """Set the texts of a row, those of the columns `numbers` at the right, all with one tool
    tip."""
    for column, text in enumerate(texts):
        item = table.item(row, column)
        if item is None:
            item = qt.QTableWidgetItem()
            table.setItem(row, column, item)
        item.setText(text)
        item.setToolTip(tip)
        if column in numbers:
            item.setTextAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)


def jump(ras: Sequence[float]) -> None:
    """Show a point (RAS mm) in all slice views."""
    node = slicer.vtkMRMLSliceNode
    node.JumpAllSlices(slicer.mrmlScene, *ras, node.CenteredJumpSlice)
