"""The section Where: the place for lymph nodes, and the candidate region over the CT."""

from __future__ import annotations

import slicer
from slicer.i18n import tr as _

from LNGenLib.mrml.inputs import Inputs
from LNGenLib.mrml.regions import add_region
from LNGenLib.mrml.scene import remove_node
from LNGenLib.placement.stations import STATIONS
from LNGenPanel.parameters import Place, chosen, stationFields

ROWS = {  # which widgets belong to which choice
    Place.automatic: ("weightsLabel", "weightsText"),
    Place.stations: ("stationsLabel", "stationsWidget"),
    Place.roi: ("roiLabel", "roiSelector", "roiPlaceWidget"),
    Place.segment: ("segmentLabel", "segmentSelector"),
    Place.points: ("pointsLabel", "pointsSelector", "pointsPlaceWidget"),
}


def onlyPlace(widget: slicer.qSlicerMarkupsPlaceWidget) -> None:
    """Leave the button that places points, of all that the widget has."""
    widget.setMRMLScene(slicer.mrmlScene)
    widget.buttonsVisible = False
    widget.deleteButton().hide()
    widget.placeButton().show()
    widget.placeButton().toolTip = widget.toolTip


class WhereSection:
    """Binds the section's widgets."""

    def __init__(self, panel):
        self.panel, self.ui = panel, panel.ui
        self.boxes = {
            name: getattr(self.ui, f"{field}CheckBox") for field, name in stationFields().items()
        }
        self._showShares({station.name: station.weight for station in STATIONS})
        onlyPlace(self.ui.roiPlaceWidget)
        onlyPlace(self.ui.pointsPlaceWidget)
        self.ui.segmentSelector.connect("currentNodeChanged(vtkMRMLNode*)", self._keepSegment)
        self.ui.segmentSelector.connect("currentSegmentChanged(QString)", self._keepSegment)
        self.ui.regionButton.connect("clicked(bool)", self._onRegion)

    def update(self) -> None:
        """Show what belongs to the chosen place."""
        parameters = self.panel.parameters
        for place, names in ROWS.items():
            for name in names:
                getattr(self.ui, name).visible = parameters.place is place
        self.ui.regionButton.visible = parameters.place in (Place.automatic, Place.stations)
        self.ui.regionButton.checked = parameters.region is not None
        self.ui.roiPlaceWidget.setCurrentNode(parameters.roi)
        self.ui.pointsPlaceWidget.setCurrentNode(parameters.points)
        selector = self.ui.segmentSelector
        if selector.currentNode() is not parameters.segmentation:
            selector.setCurrentNode(parameters.segmentation)
        if parameters.segment and selector.currentSegmentID() != parameters.segment:
            selector.setCurrentSegmentID(parameters.segment)

    def inputs(self) -> Inputs:
        """What a job needs of the scene; InputError where something is missing."""
        parameters = self.panel.parameters
        region, segment = None, None
        if parameters.place is Place.segment:
            region = chosen(parameters.segmentation, _("choose a segmentation and a segment"))
            segment = chosen(parameters.segment or None, _("choose a segment"))
        ct = chosen(parameters.ct, _("choose a CT"))
        return Inputs.read(ct, parameters.anatomy, region, segment_id=segment)

    def _keepSegment(self, *_changed) -> None:
        parameters, selector = self.panel.parameters, self.ui.segmentSelector
        if parameters is not None and parameters.place is Place.segment:
            parameters.segmentation = selector.currentNode()
            parameters.segment = selector.currentSegmentID() or ""

    def _onRegion(self, *_clicked) -> None:
        """Show the stations over the CT, or take them away."""
        parameters, jobs = self.panel.parameters, self.panel.jobs
        if parameters.region is not None:
            remove_node(parameters.region)
            self.update()
            return

        def work(progress):
            return jobs.backend.client(choice).placement(inputs.scan(), progress)

        def done(maps):
            _prior, stations, summary = maps
            self.panel.checkThere(ct_node)
            name = _("{ct} candidate region").format(ct=ct_node.GetName())
            parameters.region = add_region(ct_node, stations, summary, name)
            self._mark(summary)

        self.ui.regionButton.checked = False
        with self.panel.status.saying():
            inputs, choice = self.inputs(), self.panel.backend.choice()
            ct_node = parameters.ct
            self.panel.start(work, done)

    def _mark(self, summary: dict) -> None:
        """Say of each station how large it is in this CT, or why it is not available."""
        for row in summary["stations"]:
            if row["available"]:
                text = _("{volume:.0f} ml in this CT").format(volume=row["volume_ml"])
            else:
                text = _("Not available in this CT: {reason}").format(reason=row["reason"])
            self.boxes[row["name"]].toolTip = text
        self._showShares({row["name"]: row["weight"] for row in summary["stations"]})

    def _showShares(self, shares: dict[str, float]) -> None:
        text = _("{station} {share:.0f} %")
        parts = (
            text.format(station=self.boxes[name].text, share=100 * share)
            for name, share in shares.items()
            if share
        )
        self.ui.weightsText.text = ", ".join(part.replace(" ", "\u00a0") for part in parts)
