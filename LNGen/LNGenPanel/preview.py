"""The section Preview: lymph nodes at their places before any painting, to be edited."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Callable, Iterator
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from LNGenLib.errors import InputError
from LNGenLib.mrml.camera import look_at
from LNGenLib.mrml.markups import (
    change,
    describe_added,
    plan_of,
    planned,
    planned_at,
    set_plan,
    to_plan,
    to_preview,
)
from LNGenLib.mrml.results import TO_CT
from LNGenLib.mrml.surfaces import (
    TO_SURFACES,
    add_surfaces,
    follow,
    forget_surface,
    remove_preview,
    without_surface,
)
from LNGenLib.structure.sizes import LARGEST, SMALLEST
from LNGenLib.synthesis.plan import Plan, Surface
from LNGenLib.synthesis.session import looking
from LNGenPanel.asking import confirmed
from LNGenPanel.backend import BackendSection
from LNGenPanel.choices import Look
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
        self.observed: slicer.vtkMRMLMarkupsFiducialNode | None = None
        self._filling = False
        self._asked: set[int] = set()  # numbers of added points whose shapes were asked for
        self.dragging = False  # a point, by the mouse
        self.live = False  # whether shapes come with what is painted
        for look in (Look.benign, Look.suspicious):
            ui.nodeLookBox.addItem(look.label(), look.name)
        nameColumns(ui.previewTable, [_("Lymph node"), _("Station"), _("Long axis (mm)")])
        onlyPlace(ui.previewPlaceWidget)
        ui.previewTable.connect("itemSelectionChanged()", self._onSelection)
        ui.previewButton.connect("clicked(bool)", self._onPreview)
        ui.sizeSpinBox.connect("valueChanged(double)", self._onSize)
        ui.nodeLookBox.connect("activated(int)", self._onLook)
        ui.varyButton.connect("clicked(bool)", self._onVary)
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
        if preview is not self.observed:
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
        shapes = self.observed and self.observed.GetNodeReference(TO_SURFACES)
        for node in filter(None, (self.observed, shapes)):
            node.GetDisplayNode().SetVisibility(visible)

    def showShapes(self, visible: bool) -> None:
        """Show or hide the shapes' outlines in the slices, which cover what is painted."""
        shapes = self.observed and self.observed.GetNodeReference(TO_SURFACES)
        if shapes:
            shapes.GetDisplayNode().SetVisibility2D(visible)

    def complete(self) -> None:
        """Ask for the shapes of added points, once, as soon as no job runs."""
        preview = self.observed
        if preview is None or self.live or not self.jobs.idle:
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

    def adopt(self, preview: slicer.vtkMRMLMarkupsFiducialNode) -> None:
        """Let a new preview, of what is chosen now, be that of the choices."""
        preview.SetAttribute(REQUEST, _text(self.parameters))
        self.parameters.preview = preview

    def showPlan(self, plan: Plan, surfaces: dict[int, Surface]) -> None:
        """Let the preview be a plan of the same request, of these surfaces by number."""
        with self._quiet():
            set_plan(self.observed, plan)
        add_surfaces(self.observed, surfaces)
        self._fill()
        self.changed()

    def resize(self, point: int, size: float) -> None:
        """Give the lymph node of a control point another long axis in mm."""
        self._change(point, long_axis_mm=round(min(max(size, SMALLEST), LARGEST), 1))

    def _change(self, point: int, **fields: Any) -> None:
        """Give the lymph node of a control point other values of these fields."""
        self._keep()
        with self._quiet():
            change(self.observed, point, **fields)
        follow(self.observed)
        self._fill()
        self.changed()

    @contextlib.contextmanager
    def _quiet(self) -> Iterator[None]:
        """Hear no events of points, of which each would be followed."""
        was, self._filling = self._filling, True
        try:
            yield
        finally:
            self._filling = was

    def _keep(self) -> None:
        """Let Slicer's own undo, where it is on, come back to what is now."""
        if slicer.mrmlScene.GetUndoFlag():
            slicer.mrmlScene.SaveStateForUndo()

    def _observe(self, preview: slicer.vtkMRMLMarkupsFiducialNode | None) -> None:
        """Listen to the points of this preview, and to those of no other."""
        self.removeObservers()
        self.observed, self._asked, self.dragging = preview, set(), False
        if preview is not None:
            for event in MOVED:
                self.addObserver(preview, event, self._onMoved)
            for event in ADDED:
                self.addObserver(preview, event, self._onAdded)
            self.addObserver(preview, MARKUPS.PointStartInteractionEvent, self._onDrag)

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
        look_at(self.observed.GetNodeReference(TO_SURFACES))
        qt.QTimer.singleShot(0, self._reach)  # once the table has its height

    def _reach(self) -> None:
        if self.parameters is not None:  # the panel may have been closed meanwhile
            self.ui.sectionsArea.ensureWidgetVisible(self.ui.clearButton)
            self.ui.sectionsArea.ensureWidgetVisible(self.ui.previewTable)

    def _onMoved(self, preview, _event) -> None:
        if not self._filling:
            self._describe()  # a point may have lost what was written of it
            follow(preview)
            self._fill()
            self.changed()

    def _onDrag(self, _preview, _event) -> None:
        self.dragging = True
        self.showShapes(True)

    def _onAdded(self, _preview, _event) -> None:
        """Make lymph nodes of new points; what may ask the user waits until the mouse is done."""
        self.dragging = False
        self._describe()
        self._fill()
        self.changed()
        qt.QTimer.singleShot(0, self.complete)

    def _describe(self) -> None:
        """Give the points that the user added the median of the chosen sizes."""
        sizes = sizesOf(self.parameters.nodes)
        with self._quiet():
            describe_added(self.observed, round(sizes.quantile(0.5), 1))

    def _fill(self) -> None:
        """Fill the table, and keep the selected row."""
        nodes = [] if self.observed is None else planned(self.observed)
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
            jump(self.observed.GetNthControlPointPositionWorld(point))
        self._onRow()

    def _onRow(self) -> None:
        """Offer what can be changed of the selected lymph node."""
        ui, point = self.ui, self._point()
        for widget in (ui.sizeSpinBox, ui.nodeLookBox, ui.varyButton, ui.deleteButton):
            widget.enabled = point is not None
        for widget in (ui.clearButton, ui.previewPlaceWidget):
            widget.enabled = self.observed is not None
        if point is not None:
            node, was = planned_at(self.observed, point), ui.sizeSpinBox.blockSignals(True)
            ui.sizeSpinBox.value = node.long_axis_mm
            ui.sizeSpinBox.blockSignals(was)
            ui.nodeLookBox.setCurrentIndex(ui.nodeLookBox.findData(node.appearance or ""))

    def _point(self) -> int | None:
        """The control point of the selected row."""
        row = self.ui.previewTable.currentRow()
        if self.observed is None or not 0 <= row < self.ui.previewTable.rowCount:
            return None
        number = planned(self.observed)[row].number
        for k in range(self.observed.GetNumberOfControlPoints()):
            node = planned_at(self.observed, k)
            if node is not None and node.number == number:
                return k
        return None

    def _onSize(self, size: float) -> None:
        point = self._point()
        if point is not None:
            self.resize(point, size)

    def _onLook(self, row: int) -> None:
        point = self._point()
        if point is None:
            return
        node = planned_at(self.observed, point)
        request = plan_of(self.observed).request
        new = looking(node, request, self.ui.nodeLookBox.itemData(row))
        self._reshape(point, **vars(new.look))

    def _onVary(self, *_clicked) -> None:
        point = self._point()
        if point is not None:
            node = planned_at(self.observed, point)
            self._reshape(point, variant=node.variant + 1)

    def _reshape(self, point: int, **fields: Any) -> None:
        """Give the lymph node of a control point other fields, by which it looks otherwise."""
        number = planned_at(self.observed, point).number
        self._change(point, **fields)
        if not self.live:
            forget_surface(self.observed, number)
            self._asked.discard(number)
            self.complete()

    def _onDelete(self, *_clicked) -> None:
        point = self._point()
        if point is not None:
            self._keep()
            self.observed.RemoveNthControlPoint(point)

    def _onClear(self, *_clicked) -> None:
        preview = self.observed
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
