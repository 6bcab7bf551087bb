"""The section Lymph nodes: how many of which sizes, shapes and looks, by which seed."""

from __future__ import annotations

import secrets
from typing import Any

import qt
from slicer.i18n import tr as _

from LNGenLib.structure.sizes import Sizes
from LNGenPanel.choices import Law, Look, Place
from LNGenPanel.request import sizesOf
from LNGenPanel.section import Section

WIDTH, HEIGHT, AXIS = 250, 46, 14  # of the histogram, in pixels
LARGEST_MM = 30
MANY_SEEDS = 100_000
BAR, INK = (68, 172, 100), (128, 128, 128)


class NodesSection(Section):
    """Binds the section's widgets."""

    def __init__(self, ui: Any):
        self.ui = ui
        self._drawn: Sizes | None = None
        ui.newSeedButton.connect("clicked(bool)", self._onNewSeed)

    def update(self) -> None:
        """Show what belongs to the chosen distribution of sizes."""
        nodes = self.parameters.nodes
        self.ui.rangeWidget.visible = nodes.law is Law.range
        self.ui.fixedWidget.visible = nodes.law is Law.fixed
        self.ui.suspiciousSpinBox.enabled = self.parameters.appearance.look is Look.mixed
        self.ui.countSpinBox.enabled = self.parameters.place is not Place.points
        sizes = sizesOf(nodes)
        if sizes != self._drawn:
            self.ui.histogramLabel.setPixmap(histogram(sizes))
            self._drawn = sizes

    def _onNewSeed(self, *_clicked) -> None:
        self.parameters.nodes.seed = secrets.randbelow(MANY_SEEDS)


def shares(sizes: Sizes) -> list[float]:
    """Which share of lymph nodes has which long axis, by half millimeters up to 30 mm."""
    return [sizes.share(k / 2, (k + 1) / 2) for k in range(2 * LARGEST_MM)]


def histogram(sizes: Sizes) -> qt.QPixmap:
    """Bars of half a millimeter, over an axis of 0 to 30 mm."""
    bars = shares(sizes)
    pixmap = qt.QPixmap(WIDTH, HEIGHT + AXIS)
    pixmap.fill(qt.QColor(0, 0, 0, 0))
    painter = qt.QPainter(pixmap)
    try:
        _paint(painter, bars)
    finally:
        painter.end()  # Slicer dies of a pixmap that goes with its painter at work
    return pixmap


def _paint(painter: qt.QPainter, bars: list[float]) -> None:
    step = WIDTH / len(bars)
    for k, share in enumerate(bars):
        if share > 0:
            left, right = round(k * step), round((k + 1) * step)
            high = max(round(share / max(bars) * (HEIGHT - 2)), 1)
            painter.fillRect(left, HEIGHT - high, right - left, high, qt.QColor(*BAR))
    painter.fillRect(0, HEIGHT, WIDTH, 1, qt.QColor(*INK))
    painter.setPen(qt.QColor(*INK))
    font = painter.font()
    font.setPixelSize(10)
    painter.setFont(font)
    for mm in range(0, LARGEST_MM, 5):
        x = round(mm * 2 * step)
        painter.fillRect(x, HEIGHT, 1, 3, qt.QColor(*INK))
        painter.drawText(x + 2, HEIGHT + 12, _("{size} mm").format(size=mm) if mm else "0")
