"""The score of a reader study as a picture: ROC curves, and the mean rating of each case."""

from __future__ import annotations

from itertools import cycle

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from LNGenLib.evaluation.estimate import shown
from LNGenLib.study.answers import REAL, SYNTHETIC, UNSURE
from LNGenLib.study.scoring import CaseScore, Report

FINE = 2  # times the size at which it is drawn, so that lines are smooth
WIDTH, HEIGHT, SIDE = 1400, 620, 440  # pixels; of the ROC's square
ROC_AT, CASES_AT, CASES_WIDE = (70, 80), (690, 80), 680
LEAST_COLUMN = 15  # pixels of a case with its name below
MOST_NAMES, MOST_LETTERS = 12, 16  # of the legend
INK, DIM, GRID = (30, 30, 34), (120, 120, 126), (222, 222, 226)
BLUE, ORANGE, GREEN, RED = (0, 114, 178), (230, 159, 0), (0, 158, 115), (213, 94, 0)
COLORS = (BLUE, RED, GREEN, ORANGE, (204, 121, 167), (86, 180, 233))  # told by the color-blind
REAL_COLOR, PAINTED_COLOR = BLUE, RED


def render_score(report: Report) -> Image.Image:
    """RGB picture (1400 x 620 pixels) of a study's score."""
    page = _Page()
    _draw_roc(page, report)
    _draw_cases(page, report)
    return page.image.reduce(FINE)


class _Page:
    """A white page, drawn on in pixels of the picture."""

    def __init__(self) -> None:
        self.image = Image.new("RGB", (WIDTH * FINE, HEIGHT * FINE), "white")
        self._draw = ImageDraw.Draw(self.image)

    def line(self, points: np.ndarray, color: tuple, width: int = 1) -> None:
        """A line through points (n, 2)."""
        scaled = [tuple(map(float, point * FINE)) for point in np.asarray(points, float)]
        self._draw.line(scaled, color, width * FINE, joint="curve")

    def dot(self, x: float, y: float, color: tuple, radius: float = 5) -> None:
        box = [value * FINE for value in (x - radius, y - radius, x + radius, y + radius)]
        self._draw.ellipse(box, color)

    def text(self, x: float, y: float, text: str, anchor: str = "lm", size: int = 15) -> None:
        font = ImageFont.load_default(size * FINE)
        self._draw.text((x * FINE, y * FINE), text, INK, font, anchor)


def _draw_roc(page: _Page, report: Report) -> None:
    left, top = ROC_AT
    corner, scale = np.array([left, top + SIDE]), np.array([SIDE, -SIDE])
    page.text(left, 30, f"ROC of the readers, study {report.study}", size=18)
    for share in np.linspace(0, 1, 5):
        for ends in ([(share, 0), (share, 1)], [(0, share), (1, share)]):
            page.line(corner + np.array(ends) * scale, GRID)
        page.text(left + share * SIDE, top + SIDE + 16, f"{share:g}", "mm")
        page.text(left - 10, top + SIDE - share * SIDE, f"{share:g}", "rm")
    page.line(corner + np.array([(0, 0), (1, 1)]) * scale, DIM)
    page.text(left + SIDE / 2, top + SIDE + 40, "real called synthetic (1 - specificity)", "mm", 13)
    page.text(left, top - 16, "painted called synthetic (sensitivity)", size=13)
    colors = cycle(COLORS)
    curves = [
        (one.name, one.figures, one.roc, DIM if one.machine else next(colors), 2)
        for one in report.readers
    ]
    if len(report.pooled.readers) > 1:
        pooled = report.pooled
        curves.append((f"pooled ({len(pooled.readers)})", pooled.figures, pooled.roc, INK, 4))
    for _, _, points, color, width in curves:
        if points:
            page.line(corner + np.array(points) * scale, color, width)
    _draw_legend(page, curves)


def _draw_legend(page: _Page, curves: list) -> None:
    """Names with AUCs in the corner below the diagonal; of many readers the last ones, with the
    pooled one."""
    shown_ones = curves[-MOST_NAMES:]
    x, y = ROC_AT[0] + SIDE - 230, ROC_AT[1] + SIDE - 20 * len(shown_ones)
    for name, figures, _, color, width in shown_ones:
        page.line(np.array([(x, y), (x + 24, y)]), color, width)
        auc = shown(figures.auc and figures.auc.value, digits=2)
        page.text(x + 32, y, f"{name[:MOST_LETTERS]}, AUC {auc}", size=14)
        y += 20


def _draw_cases(page: _Page, report: Report) -> None:
    left, top = CASES_AT
    rated = [case for case in report.cases if case.rating is not None]
    rated.sort(key=lambda case: (case.painted, case.rating, case.case))
    page.text(left, 30, "Mean rating of each case", size=18)
    step = SIDE / (SYNTHETIC - REAL)
    words = {REAL: "certainly real ", UNSURE: "cannot tell ", SYNTHETIC: "certainly synthetic "}
    for rating in np.arange(REAL, SYNTHETIC + 1):
        y = top + SIDE - (rating - REAL) * step
        page.line(np.array([(left, y), (left + CASES_WIDE, y)]), GRID)
        page.text(left - 10, y, f"{words.get(rating, '')} {rating:g}", "rm", 14)
    column = CASES_WIDE / (len(rated) + 1)  # one is free, between real and painted
    for place, case in enumerate(rated):
        x = left + (place + 0.5 + case.painted) * column
        _draw_case(page, case, x, top + SIDE - ((case.rating or REAL) - REAL) * step, column)
    for painted, name in ((False, "real"), (True, "painted")):
        places = [k + painted for k, case in enumerate(rated) if case.painted == painted]
        if places:
            middle = left + (sum(places) / len(places) + 0.5) * column
            mean = np.mean([case.rating for case in rated if case.painted == painted])
            page.text(middle, top + SIDE + 46, f"{name} ({len(places)}), mean {mean:.2f}", "mm")
    page.text(left, HEIGHT - 24, f"over {', '.join(report.pooled.readers)}"[:99], size=13)


def _draw_case(page: _Page, case: CaseScore, x: float, y: float, column: float) -> None:
    page.dot(x, y, PAINTED_COLOR if case.painted else REAL_COLOR, min(5, column / 2))
    if column >= LEAST_COLUMN:
        page.text(x, CASES_AT[1] + SIDE + 16, case.case, "mm", size=11)
