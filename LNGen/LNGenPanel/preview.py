"""The section Preview: lymph nodes at their places before any painting, to be edited."""

from __future__ import annotations

import dataclasses
import json

import qt
import slicer
from slicer.i18n import tr as _

from LNGenLib.errors import InputError
from LNGenLib.mrml.markups import describe_added, planned, planned_at, resize, to_plan, to_preview
from LNGenLib.mrml.results import TO_CT
from LNGenLib.mrml.surfaces import (
    TO_SURFACES,
    add_surfaces,
    follow,
    remove_preview,
    without_surface,
)
from LNGenLib.synthesis.plan import Plan
from LNGenPanel.parameters import lookOf, requestOf, sizesOf
from LNGenPanel.where import onlyPlace

MARKUPS = slicer.vtkMRMLMarkupsNode
REQUEST = "LNGen.request"  # attribute: what the preview was made of


class PreviewSection:
    """Binds the section's widgets; `plan` is what the user made of it."""

    def __init__(self, panel):
        self.panel, self.ui = panel, panel.ui
        self._observed = None
        self._filling = False
        table = self.ui.previewTable
        table.setHorizontalHeaderLabels([_("Lymph node"), _("Station"), _("Size, mm")])
        header = table.horizontalHeader()
        header.setSectionResizeMode(qt.QHeaderView.ResizeToContents)
        header.setSectionResizeMode(1, qt.QHeaderView.Stretch)
        table.connect("itemSelectionChanged()", self._onSelection)
        onlyPlace(self.ui.previewPlaceWidget)
        self.ui.previewButton.connect("clicked(bool)", self._onPreview)
        self.ui.sizeSpinBox.connect("valueChanged(double)", self._onSize)
        self.ui.deleteButton.connect("clicked(bool)", self._onDelete)
        self.ui.clearButton.connect("clicked(bool)", self._onClear)

    def update(self) -> None:
        """Follow the preview of the parameter node."""
        preview = self.panel.parameters.preview
        if preview is not self._observed:
            self.observe(preview)
        self.ui.previewPlaceWidget.setCurrentNode(preview)
        self._fill()

    def observe(self, preview: slicer.vtkMRMLMarkupsFiducialNode | None) -> None:
        """Listen to the points of this preview, and to those of no other."""
        moved = (MARKUPS.PointModifiedEvent, MARKUPS.PointRemovedEvent)
        added = (MARKUPS.PointPositionDefinedEvent, MARKUPS.PointEndInteractionEvent)
        if self._observed is not None:
            for event in moved:
                self.panel.removeObserver(self._observed, event, self._onMoved)
            for event in added:
                self.panel.removeObserver(self._observed, event, self._onAdded)
        self._observed = preview
        if preview is not None:
            for event in moved:
                self.panel.addObserver(preview, event, self._onMoved)
            for event in added:
                self.panel.addObserver(preview, event, self._onAdded)

    def plan(self) -> Plan | None:
        """The plan to paint, None where there is no preview."""
        preview = self.panel.parameters.preview
        if preview is None:
            return None
        self._describe()
        return to_plan(preview)

    def outdated(self) -> bool:
        """Whether the panel's choices are no longer those that the preview was made of."""
        preview, parameters = self.panel.parameters.preview, self.panel.parameters
        return preview is not None and (
            preview.GetNodeReference(TO_CT) is not parameters.ct
            or preview.GetAttribute(REQUEST) != _text(parameters)
        )

    def count(self) -> int:
        """How many lymph nodes are previewed."""
        preview = self.panel.parameters.preview
        return 0 if preview is None else len(planned(preview))

    def _onPreview(self, *_clicked) -> None:
        """Plan anew, and show the plan's shapes at their places."""
        jobs, parameters = self.panel.jobs, self.panel.parameters

        def work(progress):
            client = jobs.backend.client(choice)
            plan = client.plan(inputs.scan(), request, progress)
            return plan, client.surfaces(plan)

        def done(outcome):
            plan, surfaces = outcome
            self.panel.checkThere(ct)
            if parameters.preview is not None:
                remove_preview(parameters.preview)
            name = _("{ct} lymph node preview").format(ct=inputs.name)
            preview = to_preview(slicer.mrmlScene, plan, name)
            numbers = (node.number for node in plan.nodes)
            add_surfaces(preview, dict(zip(numbers, surfaces)))
            preview.SetNodeReferenceID(TO_CT, ct.GetID())
            preview.SetAttribute(REQUEST, text)
            parameters.preview = preview
            if plan.refused_mm:
                left_out = _("{count} lymph nodes found no room and were left out")
                self.panel.status.say(left_out.format(count=len(plan.refused_mm)))

        with self.panel.status.saying():
            inputs, request = self.panel.where.inputs(), requestOf(parameters)
            ct, text = parameters.ct, _text(parameters)
            choice = self.panel.backend.choice()
            self.panel.start(work, done)

    def _onMoved(self, preview, _event) -> None:
        if not self._filling:
            follow(preview)
            self._fill()
            self.panel.updateButtons()

    def _onAdded(self, preview, _event) -> None:
        """Make lymph nodes of new points, and ask for shapes that are not known yet."""
        self._describe()
        self._fill()
        self.panel.updateButtons()
        unknown = without_surface(preview)
        if not unknown or self.panel.jobs.running is not None:
            return
        jobs = self.panel.jobs

        def work(progress):
            return jobs.backend.client(choice).surfaces(wanted, progress)

        def done(surfaces):
            numbers = (node.number for node in unknown)
            add_surfaces(preview, dict(zip(numbers, surfaces)))

        with self.panel.status.saying():
            wanted = dataclasses.replace(to_plan(preview), nodes=unknown)
            choice = self.panel.backend.choice()
            self.panel.start(work, done)

    def _describe(self) -> None:
        """Give the points that the user added the median of the chosen sizes."""
        sizes = sizesOf(self.panel.parameters.nodes)
        self._filling = True
        try:
            describe_added(self._observed, round(sizes.quantile(0.5), 1))
        finally:
            self._filling = False

    def _fill(self) -> None:
        """Fill the table, and keep the selected row."""
        nodes = [] if self._observed is None else planned(self._observed)
        table = self.ui.previewTable
        selected = table.currentRow()
        was = table.blockSignals(True)
        table.setRowCount(len(nodes))
        for row, node in enumerate(nodes):
            size = f"{node.long_axis_mm:.1f}"
            for column, text in enumerate((f"LN {node.number}", node.station or "", size)):
                item = qt.QTableWidgetItem(text)
                hint = _("Click to look at it; drag its point in the views to move it")
                item.setToolTip("\n".join(filter(None, (lookOf(node), hint))))
                table.setItem(row, column, item)
        if 0 <= selected < len(nodes):
            table.selectRow(selected)
        table.blockSignals(was)
        self._onRow()

    def show(self, visible: bool) -> None:
        """Show or hide the points and the shapes."""
        for node in (self._observed, self._shapes()):
            if node:
                node.GetDisplayNode().SetVisibility(visible)

    def _shapes(self) -> slicer.vtkMRMLModelNode | None:
        return self._observed and self._observed.GetNodeReference(TO_SURFACES)

    def _onSelection(self) -> None:
        point = self._point()
        if point is not None:
            self.show(True)
            position = self._observed.GetNthControlPointPositionWorld(point)
            self.panel.jump(position)
        self._onRow()

    def _onRow(self) -> None:
        """Offer the size of the selected lymph node."""
        point = self._point()
        for widget in (self.ui.sizeSpinBox, self.ui.deleteButton):
            widget.enabled = point is not None
        self.ui.clearButton.enabled = self._observed is not None
        self.ui.previewPlaceWidget.enabled = self._observed is not None
        if point is not None:
            was = self.ui.sizeSpinBox.blockSignals(True)
            self.ui.sizeSpinBox.value = planned_at(self._observed, point).long_axis_mm
            self.ui.sizeSpinBox.blockSignals(was)

    def _point(self) -> int | None:
        """The control point of the selected row."""
        row = self.ui.previewTable.currentRow()
        if self._observed is None or not 0 <= row < self.ui.previewTable.rowCount:
            return None
        number = planned(self._observed)[row].number
        for k in range(self._observed.GetNumberOfControlPoints()):
            node = planned_at(self._observed, k)
            if node is not None and node.number == number:
                return k
        return None

    def _onSize(self, size: float) -> None:
        point = self._point()
        if point is not None:
            resize(self._observed, point, round(size, 1))
            follow(self._observed)
            self._fill()

    def _onDelete(self, *_clicked) -> None:
        point = self._point()
        if point is not None:
            self._observed.RemoveNthControlPoint(point)

    def _onClear(self, *_clicked) -> None:
        if self._observed is not None:
            preview = self._observed
            self.observe(None)
            remove_preview(preview)
            self.panel.update()


def _text(parameters) -> str:
    """The request that the choices make, empty where they make none."""
    try:
        return json.dumps(dataclasses.asdict(requestOf(parameters)))
    except InputError:
        return ""
