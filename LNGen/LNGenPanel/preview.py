"""The section Preview: lymph nodes at their places before any painting, to be edited."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from LNGenLib.errors import InputError
from LNGenLib.mrml.camera import look_at
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
from LNGenPanel.asking import confirmed
from LNGenPanel.backend import BackendSection
from LNGenPanel.jobs import Jobs
from LNGenPanel.location import LocationSection, endPlacing, onlyPlace
from LNGenPanel.parameters import LNGenParameterNode
from LNGenPanel.request import checkThere, requestOf, sizesOf
from LNGenPanel.section import Section
from LNGenPanel.status import Status
from LNGenPanel.tables import fillRow, jump, nameColumns
from LNGenPanel.texts import lookOf, previewed

MARKUPS = slicer.vtkMRMLMarkupsNode
MOVED = MARKUPS.PointModifiedEvent, MARKUPS.PointRemovedEvent
ADDED = MARKUPS.PointPositionDefinedEvent, MARKUPS.PointEndInteractionEvent
SIZE = 2  # column of the long axis
REQUEST = "LNGen.request"  # attribute: what the preview was made of


class PreviewSection(Section, VTKObservationMixin):
    """Binds the section's widgets; `plan` is what the user made of it, `changed()` hears of it."""

    def __init__(
        self,
        ui: Any,
        jobs: Jobs,
        status: Status,
        backend: BackendSection,
        location: LocationSection,
        changed: Callable[[], None],
    ):
        VTKObservationMixin.__init__(self)
        self.ui, self.jobs, self.status = ui, jobs, status
        self.backend, self.location, self.changed = backend, location, changed
        self._observed: slicer.vtkMRMLMarkupsFiducialNode | None = None
        self._filling = False
        self._asked: set[int] = set()  # numbers of added points whose shapes were asked for
        nameColumns(ui.previewTable, [_("Lymph node"), _("Station"), _("Long axis (mm)")])
        onlyPlace(ui.previewPlaceWidget)
        ui.previewTable.connect("itemSelectionChanged()", self._onSelection)
        ui.previewButton.connect("clicked(bool)", self._onPreview)
        ui.sizeSpinBox.connect("valueChanged(double)", self._onSize)
        ui.deleteButton.connect("clicked(bool)", self._onDelete)
        ui.clearButton.connect("clicked(bool)", self._onClear)

    def bind(self, parameters: LNGenParameterNode | None) -> None:
        """Follow these choices, and their preview."""
        super().bind(parameters)
        if parameters is None:
            self._observe(None)

    def update(self) -> None:
        """Follow the preview of the choices."""
        preview = self.parameters.preview
        if preview is not self._observed:
            self._observe(preview)
        self.ui.previewPlaceWidget.setCurrentNode(preview)
        self.ui.previewButton.enabled = self.jobs.idle and self.parameters.ct is not None
        self._fill()

    def endPlacing(self) -> None:
        """Let clicks in the views add nothing any more."""
        endPlacing(self.ui.previewPlaceWidget)

    def plan(self) -> Plan | None:
        """The plan to paint, None where nothing is previewed."""
        preview = self.parameters.preview
        if preview is None:
            return None
        self._describe()
        return to_plan(preview) if planned(preview) else None

    def outdated(self) -> bool:
        """Whether the panel's choices are no longer those that the preview was made of."""
        preview = self.parameters.preview
        return preview is not None and (
            preview.GetNodeReference(TO_CT) is not self.parameters.ct
            or preview.GetAttribute(REQUEST) != _text(self.parameters)
        )

    def count(self) -> int:
        """How many lymph nodes are previewed."""
        preview = self.parameters.preview
        return 0 if preview is None else len(planned(preview))

    def show(self, visible: bool) -> None:
        """Show or hide the points and the shapes."""
        shapes = self._observed and self._observed.GetNodeReference(TO_SURFACES)
        for node in filter(None, (self._observed, shapes)):
            node.GetDisplayNode().SetVisibility(visible)

    def complete(self) -> None:
        """Ask for the shapes of added points, once, as soon as no job runs."""
        preview = self._observed
        if preview is None or not self.jobs.idle:
            return
        self._describe()
        unknown = [each for each in without_surface(preview) if each.number not in self._asked]
        if not unknown:
            return
        self._asked |= {node.number for node in unknown}

        def work(progress):
            return self.jobs.backend.client(choice).surfaces(wanted, progress)

        def done(surfaces):
            if slicer.mrmlScene.IsNodePresent(preview):
                add_surfaces(preview, dict(zip((node.number for node in unknown), surfaces)))

        with self.status.saying():
            wanted = dataclasses.replace(to_plan(preview), nodes=tuple(unknown))
            choice = self.backend.choice(sends=False)
            self.jobs.start(work, done)

    def _observe(self, preview: slicer.vtkMRMLMarkupsFiducialNode | None) -> None:
        """Listen to the points of this preview, and to those of no other."""
        self.removeObservers()
        self._observed, self._asked = preview, set()
        if preview is not None:
            for event in MOVED:
                self.addObserver(preview, event, self._onMoved)
            for event in ADDED:
                self.addObserver(preview, event, self._onAdded)

    def _onPreview(self, *_clicked) -> None:
        """Plan anew, and show the plan's shapes at their places."""
        parameters = self.parameters

        def work(progress):
            client = self.jobs.backend.client(choice)
            plan = client.plan(inputs.scan(), request, progress)
            return plan, client.surfaces(plan)

        def done(outcome):
            plan, surfaces = outcome
            checkThere(ct)
            if parameters.preview is not None:
                remove_preview(parameters.preview)
            name = _("{ct} lymph node preview").format(ct=inputs.name)
            preview = to_preview(slicer.mrmlScene, plan, name)
            add_surfaces(preview, dict(zip((node.number for node in plan.nodes), surfaces)))
            preview.SetNodeReferenceID(TO_CT, ct.GetID())
            preview.SetAttribute(REQUEST, text)
            parameters.preview = preview
            self.status.say(previewed(plan))
            self._reveal()

        with self.status.saying():
            inputs, request = self.location.inputs(), requestOf(parameters)
            ct, text = parameters.ct, _text(parameters)
            choice = self.backend.choice()
            self.jobs.start(work, done)

    def _reveal(self) -> None:
        """Bring a new preview before the user's eyes."""
        self.update()
        self.ui.previewTable.selectRow(0)
        look_at(self._observed.GetNodeReference(TO_SURFACES))
        qt.QTimer.singleShot(0, self._reach)  # once the table has its height

    def _reach(self) -> None:
        if self.parameters is not None:  # the panel may have been closed meanwhile
            self.ui.sectionsArea.ensureWidgetVisible(self.ui.clearButton)
            self.ui.sectionsArea.ensureWidgetVisible(self.ui.previewTable)

    def _onMoved(self, preview, _event) -> None:
        if not self._filling:
            follow(preview)
            self._fill()
            self.changed()

    def _onAdded(self, _preview, _event) -> None:
        """Make lymph nodes of new points; what may ask the user waits until the mouse is done."""
        self._describe()
        self._fill()
        self.changed()
        qt.QTimer.singleShot(0, self.complete)

    def _describe(self) -> None:
        """Give the points that the user added the median of the chosen sizes."""
        sizes = sizesOf(self.parameters.nodes)
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
            texts = f"LN {node.number}", node.station or "", f"{node.long_axis_mm:.1f}"
            hint = _("Click to look at it; drag its point in the views to move it")
            fillRow(table, row, texts, {SIZE}, "\n".join(filter(None, (lookOf(node), hint))))
        if 0 <= selected < len(nodes):
            table.selectRow(selected)
        table.blockSignals(was)
        self._onRow()

    def _onSelection(self) -> None:
        point = self._point()
        if point is not None:
            self.show(True)
            jump(self._observed.GetNthControlPointPositionWorld(point))
        self._onRow()

    def _onRow(self) -> None:
        """Offer the size of the selected lymph node."""
        point = self._point()
        for widget in (self.ui.sizeSpinBox, self.ui.deleteButton):
            widget.enabled = point is not None
        for widget in (self.ui.clearButton, self.ui.previewPlaceWidget):
            widget.enabled = self._observed is not None
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
        preview = self._observed
        if preview is None:
            return
        count, text = self.count(), _("Remove the preview with its {count} lymph nodes?")
        if not count or confirmed(text.format(count=count)):
            self.endPlacing()
            self._observe(None)
            remove_preview(preview)


def _text(parameters: LNGenParameterNode) -> str:
    """The request that the choices make, empty where they make none."""
    try:
        return json.dumps(dataclasses.asdict(requestOf(parameters)))
    except InputError:
        return ""
