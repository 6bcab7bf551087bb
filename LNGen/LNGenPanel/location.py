"""The section Location: the place for lymph nodes, and the candidate region over the CT."""

from __future__ import annotations

from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from LNGenLib.mrml.inputs import Inputs
from LNGenLib.mrml.regions import add_region
from LNGenLib.mrml.scene import remove_node
from LNGenLib.placement.stations import STATIONS
from LNGenPanel.backend import BackendSection
from LNGenPanel.choices import Place
from LNGenPanel.jobs import Jobs
from LNGenPanel.request import checkThere, chosen, stationFields
from LNGenPanel.section import Section
from LNGenPanel.status import Status

ROWS = {  # which widgets belong to which choice
    Place.automatic: ("sharesLabel", "sharesText"),
    Place.stations: ("stationsLabel", "stationsWidget"),
    Place.roi: ("roiLabel", "roiSelector", "roiPlaceWidget"),
    Place.segment: ("segmentLabel", "segmentSelector"),
    Place.points: ("pointsLabel", "pointsSelector", "pointsPlaceWidget"),
}


def onlyPlace(widget: slicer.qSlicerMarkupsPlaceWidget, several: bool = False) -> None:
    """Leave the button that places points, of all that the widget has: `several`, or one a
    click."""
    widget.setMRMLScene(slicer.mrmlScene)
    widget.buttonsVisible = False
    hidden = qt.QWidget(widget)  # the button to delete shows itself whenever the points change
    hidden.hide()
    widget.deleteButton().setParent(hidden)
    kind = slicer.qSlicerMarkupsPlaceWidget
    widget.placeMultipleMarkups = (
        kind.ForcePlaceMultipleMarkups if several else kind.ForcePlaceSingleMarkup
    )
    widget.placeButton().show()
    widget.placeButton().toolTip = widget.toolTip


class LocationSection(Section):
    """Binds the section's widgets; `inputs` is what jobs need of the scene."""

    def __init__(self, ui: Any, jobs: Jobs, status: Status, backend: BackendSection):
        self.ui, self.jobs, self.status, self.backend = ui, jobs, status, backend
        self.boxes = {
            name: getattr(ui, f"{field}CheckBox") for field, name in stationFields().items()
        }
        self.labels = {
            name: getattr(ui, f"{field}Label") for field, name in stationFields().items()
        }
        self._placing = {Place.roi: ui.roiPlaceWidget, Place.points: ui.pointsPlaceWidget}
        self._marked: tuple | None = None  # CT and organs that the stations were looked up in
        self._unmark()
        onlyPlace(ui.roiPlaceWidget)
        onlyPlace(ui.pointsPlaceWidget, several=True)
        ui.segmentSelector.connect("currentNodeChanged(vtkMRMLNode*)", self._keepSegment)
        ui.segmentSelector.connect("currentSegmentChanged(QString)", self._keepSegment)
        ui.regionButton.connect("clicked(bool)", self._onRegion)

    def update(self) -> None:
        """Show what belongs to the chosen place."""
        parameters = self.parameters
        for place, names in ROWS.items():
            for name in names:
                getattr(self.ui, name).visible = parameters.place is place
        for place, widget in self._placing.items():
            if parameters.place is not place:
                endPlacing(widget)
        if self._marked not in (None, (parameters.ct, parameters.anatomy)):
            self._unmark()
        button = self.ui.regionButton
        button.visible = parameters.place in (Place.automatic, Place.stations)
        button.checked = parameters.region is not None
        button.enabled = self.jobs.idle and parameters.ct is not None
        self.ui.roiPlaceWidget.setCurrentNode(parameters.roi)
        self.ui.pointsPlaceWidget.setCurrentNode(parameters.points)
        selector = self.ui.segmentSelector
        was = selector.blockSignals(True)  # it tells of what it showed before, too
        if selector.currentNode() is not parameters.segmentation:
            selector.setCurrentNode(parameters.segmentation)
        if parameters.segment and selector.currentSegmentID() != parameters.segment:
            selector.setCurrentSegmentID(parameters.segment)
        selector.blockSignals(was)

    def endPlacing(self) -> None:
        """Let clicks in the views place nothing any more."""
        for widget in self._placing.values():
            endPlacing(widget)

    def inputs(self) -> Inputs:
        """What a job needs of the scene; InputError where something is missing."""
        parameters = self.parameters
        region, segment = None, None
        ct = chosen(parameters.ct, _("Select a CT volume."))
        if parameters.place is Place.segment:
            region = chosen(parameters.segmentation, _("Select a segmentation and a segment."))
            segment = chosen(parameters.segment or None, _("Select a segment."))
        return Inputs.read(ct, parameters.anatomy, region, segment_id=segment)

    def _keepSegment(self, *_changed) -> None:
        parameters, selector = self.parameters, self.ui.segmentSelector
        if parameters is not None and parameters.place is Place.segment:
            node = selector.currentNode()
            parameters.segmentation = node
            # the selector keeps the id of a segment whose segmentation has gone
            parameters.segment = "" if node is None else selector.currentSegmentID() or ""

    def _onRegion(self, *_clicked) -> None:
        """Show the stations over the CT, or take them away."""
        parameters = self.parameters
        if parameters.region is not None:
            remove_node(parameters.region)
            self.update()
            return

        def work(progress):
            return self.jobs.backend.client(choice).placement(inputs.scan(), progress)

        def done(maps):
            _prior, stations, summary = maps
            checkThere(ct)
            name = _("{ct} candidate region").format(ct=ct.GetName())
            parameters.region = add_region(ct, stations, summary, name)
            self._mark(summary, (ct, anatomy))

        self.ui.regionButton.checked = False
        with self.status.saying():
            inputs, choice = self.inputs(), self.backend.choice()
            ct, anatomy = parameters.ct, parameters.anatomy
            self.jobs.start(work, done)

    def _mark(self, summary: dict, of: tuple) -> None:
        """Say of each station how large it is in this CT, or why it is not available."""
        self._marked = of
        for row in summary["stations"]:
            box, label, there = self.boxes[row["name"]], self.labels[row["name"]], row["available"]
            if there:
                label.text = _("{volume:.0f} ml").format(volume=row["volume_ml"])
            else:
                label.text = row["reason"]
                box.checked = False
            box.enabled = label.enabled = there
        self._showShares({row["name"]: row["weight"] for row in summary["stations"]})

    def _unmark(self) -> None:
        """Forget what is known of the stations of another CT."""
        self._marked = None
        for name, box in self.boxes.items():
            self.labels[name].text = ""
            box.enabled = self.labels[name].enabled = True
        self._showShares({station.name: station.weight for station in STATIONS})

    def _showShares(self, shares: dict[str, float]) -> None:
        text = _("{station} {share:.0f} %")
        parts = (
            text.format(station=self.boxes[name].text, share=100 * share)
            for name, share in shares.items()
            if share
        )
        self.ui.sharesText.text = ", ".join(part.replace(" ", "\u00a0") for part in parts)


def endPlacing(widget: slicer.qSlicerMarkupsPlaceWidget) -> None:
    """Let clicks in the views place nothing for this widget."""
    if widget.placeModeEnabled:
        widget.placeModeEnabled = False
