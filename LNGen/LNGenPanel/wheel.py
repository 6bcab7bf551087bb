"""The mouse wheel over a previewed lymph node's point makes it larger or smaller."""

from __future__ import annotations

import qt
import slicer
from slicer.i18n import tr as _

from LNGenLib.mrml.markups import planned_at
from LNGenLib.synthesis.session import Session
from LNGenPanel.preview import PreviewSection

NOTCH = 0.5  # mm a notch of the wheel
BEFORE = 10.0  # priority of the observers: the view would go to another slice
EVENTS = {"MouseWheelForwardEvent": NOTCH, "MouseWheelBackwardEvent": -NOTCH}


class Wheel:
    """Listens to the slice views between `start` and `stop`."""

    def __init__(self, preview: PreviewSection):
        self.preview = preview
        self._session: Session | None = None
        self._observed: list[tuple[slicer.vtkRenderWindowInteractor, int]] = []

    def start(self, session: Session) -> None:
        """Resize lymph nodes of a session under the mouse."""
        self.stop()
        self._session = session
        self._observe()
        slicer.app.layoutManager().connect("layoutChanged(int)", self._observe)

    def stop(self) -> None:
        """Leave the wheel to the views."""
        if self._session is None:
            return
        layout = slicer.app.layoutManager()
        if layout:  # there is none any more where Slicer ends
            layout.disconnect("layoutChanged(int)", self._observe)
        self._forget()
        self._session = None

    def _observe(self, _layout: int | None = None) -> None:
        """Listen to all slice views; a layout may have brought new ones."""
        self._forget()
        layout = slicer.app.layoutManager()
        for name in layout.sliceViewNames():
            interactor = layout.sliceWidget(name).sliceView().interactor()
            for event in EVENTS:
                tag = interactor.AddObserver(event, self._onWheel, BEFORE)
                self._observed.append((interactor, tag))

    def _forget(self) -> None:
        for interactor, tag in self._observed:
            interactor.RemoveObserver(tag)
        self._observed = []

    def _onWheel(self, interactor, event: str) -> None:
        point = self._point()
        node = None if point is None else planned_at(self.preview.observed, point)
        if node is None:  # as a point is that follows the mouse to be placed
            return
        for observed, tag in self._observed:  # no view gets it
            if observed is interactor:
                interactor.GetCommand(tag).SetAbortFlag(1)
        self.preview.resize(point, node.long_axis_mm + EVENTS[event])
        node = planned_at(self.preview.observed, point)
        ratios = {record.label: record.axis_ratio for record in self._session.records}
        text = _("LN {number}: {long:.1f} mm").format(number=node.number, long=node.long_axis_mm)
        if ratios.get(node.number):
            text = _("LN {number}: {long:.1f} x {short:.1f} mm in 3D").format(
                number=node.number,
                long=node.long_axis_mm,
                short=node.long_axis_mm * ratios[node.number],
            )
        qt.QToolTip.showText(qt.QCursor.pos(), text)

    def _point(self) -> int | None:
        """The control point of the preview that the mouse is over."""
        preview = self.preview.observed
        display = preview and preview.GetDisplayNode()
        if not display or display.GetActiveComponentType() != display.ComponentControlPoint:
            return None
        return display.GetActiveComponentIndex()
