"""The section Lymph nodes: how many of which sizes, shapes and looks, by which seed."""

from __future__ import annotations

import secrets

import qt
from slicer.i18n import tr as _

from LNGenLib.structure.sizes import Sizes
from LNGenPanel.parameters import Law, Look, Place, sizesOf

WIDTH, HEIGHT, AXIS = 250, 46, 14  # of the histogram, in pixels
LARGEST_MM = 30
MANY_SEEDS = 100_000


class NodesSection:
    """Binds the section's widgets."""

    def __init__(self, panel):
        self.panel, self.ui = panel, panel.ui
        self.ui.diceButton.connect("clicked(bool)", self._onDice)
        self._drawn: Sizes | None = None

    def update(self) -> None:
        """Show what belongs to the chosen distribution of sizes."""
        parameters = self.panel.parameters
        nodes = parameters.nodes
        self.ui.rangeWidget.visible = nodes.law is Law.range
        self.ui.fixedWidget.visible = nodes.law is Law.fixed
        self.ui.suspiciousSpinBox.enabled = parameters.appearance.look is Look.mixed
        self.ui.countSpinBox.enabled = parameters.place is not Place.points
        sizes = sizesOf(nodes)
        if sizes != self._drawn:
            self._drawn = sizes
            self.ui.histogramLabel.setPixmap(histogram(sizes))

    def _onDice(self, *_clicked) -> None:
        self.panel.parameters.nodes.seed = secrets.randbelow(MANY_SEEDS)


def histogram(sizes: Sizes) -> qt.QPixmap:
    """Bars of half a millimeter, over an axis of 0 to 30 mm."""
    shares = [sizes.share(k / 2, (k + 1) / 2) for k in range(2 * LARGEST_MM)]
    pixmap = qt.QPixmap(WIDTH, HEIGHT + AXIS)
    pixmap.fill(qt.QColor(0, 0, 0, 0))
    painter = qt.QPainter(pixmap)
    step = WIDTH / len(shares)
    for k, share in enumerate(shares):
        high = round(share / max(shares) * (HEIGHT - 2))
        if share:
            left, right = round(k * step), round((k + 1) * step)
            high = max(high, 1)
            painter.fillRect(left, HEIGHT - high, right - left, high, qt.QColor(68, 172, 100))
    painter.fillRect(0, HEIGHT, WIDTH, 1, qt.QColor(128, 128, 128))
    painter.setPen(qt.QColor(128, 128, 128))
    font = painter.font()
    font.setPixelSize(10)
    painter.setFont(font)
    for mm in range(0, LARGEST_MM, 5):
        x = round(mm * 2 * step)
        painter.fillRect(x, HEIGHT, 1, 3, qt.QColor(128, 128, 128))
        painter.drawText(x + 2, HEIGHT + 12, _("{size} mm").format(size=mm) if mm else "0")
    painter.end()
    return pixmap
