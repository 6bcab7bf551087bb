"""Putting lymph nodes into a scan by hand: each edit is painted at once, and can be undone."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import SimpleITK as sitk

from LNGenLib.errors import InputError
from LNGenLib.image.grid import Box
from LNGenLib.image.pieces import Piece, overlapping, with_pieces
from LNGenLib.progress import SILENT, Progress
from LNGenLib.scan import Scan
from LNGenLib.synthesis.appearance import draw_appearance
from LNGenLib.synthesis.images import ResultImages
from LNGenLib.synthesis.painted import Painted
from LNGenLib.synthesis.plan import UPRIGHT, Plan, PlannedNode
from LNGenLib.synthesis.request import BENIGN, SUSPICIOUS, Point, SynthesisRequest, as_point
from LNGenLib.synthesis.result import LymphNodeRecord, SynthesisResult


class Paints(Protocol):
    """Who paints: `synthesis.painter.Painter` here, a client's `LivePainter` elsewhere."""

    def repaint(
        self, plan: Plan, shown: Painted, fit: int | None = None, progress: Progress = SILENT
    ) -> Painted:
        """The plan painted where `shown` is now; lymph node `fit` may be moved and turned, so that
        it fits."""


class Session:
    """Lymph nodes in a scan, edited one by one.

    It begins with a `plan`, or with none for a `request`, whose seed, shape, appearance and
    tolerance are those of what is added. After each edit `plan`, `records`, `image` and `nodes` are
    those of all lymph nodes; what an edit does not touch keeps every voxel. They are, voxel for
    voxel, what `paint` makes of the plan. An edit that is refused raises InputError with the
    reason, and changes nothing. `painter` paints; by default here, with the weights that ship.

        >>> from LNGenLib import Scan, Session
        >>> from LNGenLib.phantom import pelvic_phantom
        >>> phantom = pelvic_phantom(spacing=(4.0, 4.0, 4.0))
        >>> session = Session(Scan(phantom.ct, phantom.labels))
        >>> first = session.add((14.0, -48.0, -30.0), 7.0)  # RAS mm, mm
        >>> session.resize(first, 9.0)
        >>> [node.long_axis_mm for node in session.plan.nodes]
        [9.0]
        >>> session.undo()
        True
        >>> [node.long_axis_mm for node in session.plan.nodes]
        [7.0]
    """

    def __init__(
        self,
        scan: Scan,
        plan: Plan | None = None,
        request: SynthesisRequest | None = None,
        painter: Paints | None = None,
        progress: Progress = SILENT,
    ):
        if painter is None:
            from LNGenLib.synthesis.painter import Painter

            painter = Painter(scan)
        self.scan, self._painter = scan, painter
        if plan is None:
            blank = Plan(request or SynthesisRequest(), (), None)
        else:
            plan = plan.painted_as(request)
            blank = dataclasses.replace(plan, nodes=())
        self._history, self._at = [Painted(blank)], 0
        if plan is not None and plan.nodes:
            self._history = [self._painter.repaint(plan, Painted(blank), None, progress)]

    @property
    def painted(self) -> Painted:
        """The plan as it is painted now."""
        return self._history[self._at]

    @property
    def plan(self) -> Plan:
        """The lymph nodes as they are now; `Plan.write` keeps it for `lngen synthesize --plan`."""
        return self.painted.plan

    @property
    def records(self) -> tuple[LymphNodeRecord, ...]:
        """A record of each lymph node, in the plan's order."""
        return self.painted.records

    @property
    def image(self) -> sitk.Image:
        """The CT with the lymph nodes."""
        return self.result().ct

    @property
    def nodes(self) -> sitk.Image:
        """Instance labels (uint16): the lymph nodes' numbers."""
        return self.result().nodes

    def result(self) -> SynthesisResult:
        """All of it as `paint` gives it, to be written, say."""
        painted = self.painted
        made = ResultImages.before(sitk.GetArrayViewFromImage(self.scan.ct), self.scan.ct)
        made.add(painted.pieces, [node.number for node in painted.plan.nodes])
        known = painted.records, painted.provenance, painted.lymph_nodes
        return SynthesisResult(made.ct, made.nodes, made.changed, *known)

    def add(
        self,
        center_ras_mm: Sequence[float],
        long_axis_mm: float,
        appearance: str | None = None,
        progress: Progress = SILENT,
    ) -> int:
        """Put a new lymph node at a point, or as near as it fits within the request's tolerance,
        along what lies beside it; its number. `appearance` is "benign" or "suspicious", by default
        as the request has it. NoPlace where it does not fit."""
        plan, size = self.plan, _mm(long_axis_mm)
        new = added(plan.nodes, _point(center_ras_mm), size, plan.request, appearance)
        self._show((*plan.nodes, new), new.number, progress)
        return new.number

    def move(
        self, number: int, center_ras_mm: Sequence[float], progress: Progress = SILENT
    ) -> None:
        """Put a lymph node at another point, exactly there."""
        self.change(number, progress, center_ras_mm=_point(center_ras_mm))

    def resize(self, number: int, long_axis_mm: float, progress: Progress = SILENT) -> None:
        """Give a lymph node another long axis; it keeps its shape."""
        self.change(number, progress, long_axis_mm=_mm(long_axis_mm))

    def look(self, number: int, appearance: str, progress: Progress = SILENT) -> None:
        """Make a lymph node "benign" or "suspicious", with what belongs to it."""
        new = looking(self._node(number), self.plan.request, appearance)
        self.change(number, progress, **vars(new.look))

    def vary(self, number: int, progress: Progress = SILENT) -> None:
        """Give a lymph node other random draws: another shape of its kind, and other tissue."""
        self.change(number, progress, variant=self._node(number).variant + 1)

    def change(self, number: int, progress: Progress = SILENT, **fields: Any) -> None:
        """Give a lymph node other values of these fields of `PlannedNode`."""
        known = {part.name for part in dataclasses.fields(PlannedNode)} - {"number"}
        if not fields.keys() <= known:
            raise InputError(f"{', '.join(fields)}: give some of {', '.join(sorted(known))}")
        changed = dataclasses.replace(self._node(number), **fields)
        nodes = (changed if node.number == number else node for node in self.plan.nodes)
        self._show(tuple(nodes), None, progress)

    def remove(self, number: int, progress: Progress = SILENT) -> None:
        """Take a lymph node out."""
        gone = self._node(number)
        self._show(tuple(node for node in self.plan.nodes if node is not gone), None, progress)

    def show(self, plan: Plan, fit: int | None = None, progress: Progress = SILENT) -> None:
        """Paint other lymph nodes, in one step; those of a step back or ahead are not painted
        again. Lymph node `fit` may be moved and turned, so that it fits."""
        for at in (self._at - 1, self._at + 1):
            if 0 <= at < len(self._history) and _same(self._history[at].plan, plan):
                self._at = at
                return
        if not self.shows(plan):
            self._show(plan.nodes, fit, progress)

    def shows(self, plan: Plan) -> bool:
        """Whether a plan's lymph nodes are those that are painted now."""
        return _same(self.plan, plan)

    @property
    def can_undo(self) -> bool:
        """Whether there is an edit to take back."""
        return self._at > 0

    @property
    def can_redo(self) -> bool:
        """Whether there is an edit that was taken back."""
        return self._at < len(self._history) - 1

    def undo(self) -> bool:
        """Take the last edit back, without painting anything; whether there was one."""
        return self._step(-1)

    def redo(self) -> bool:
        """Make the edit again that was taken back last; whether there was one."""
        return self._step(1)

    def _step(self, by: int) -> bool:
        there = 0 <= self._at + by < len(self._history)
        self._at += by * there
        return there

    def _node(self, number: int) -> PlannedNode:
        for node in self.plan.nodes:
            if node.number == number:
                return node
        raise InputError(f"there is no lymph node {number}: it may have been removed")

    def _show(self, nodes: tuple[PlannedNode, ...], fit: int | None, progress: Progress) -> None:
        plan = dataclasses.replace(self.plan, nodes=nodes)
        painted = Painted(plan)
        if nodes:
            painted = self._painter.repaint(plan, self.painted, fit, progress)
        self._history[self._at + 1 :] = [painted]
        self._at += 1


def _point(values: Any) -> Point:
    """A point (RAS mm) that a user gives; InputError for what is none."""
    try:
        return as_point(values, 9)
    except (TypeError, ValueError) as error:
        raise InputError(f"point {values!r}: give three numbers, R A S in mm") from error


def _mm(value: Any) -> float:
    """A size that a user gives; InputError for what is none."""
    try:
        return round(float(value), 6)
    except (TypeError, ValueError) as error:
        raise InputError(f"long axis {value!r}: give a number, in mm") from error


def added(
    nodes: Sequence[PlannedNode],
    center_ras_mm: Point,
    long_axis_mm: float,
    request: SynthesisRequest,
    appearance: str | None = None,
) -> PlannedNode:
    """A node to be added to others: of the next number, upright, and looking as `looking` says."""
    number = max((node.number for node in nodes), default=0) + 1
    new = PlannedNode(number, center_ras_mm, long_axis_mm, UPRIGHT, shape_mm=long_axis_mm)
    return looking(new, request, appearance)


def looking(
    node: PlannedNode, request: SynthesisRequest, appearance: str | None = None
) -> PlannedNode:
    """A node with the appearance, and what belongs to it, that a request draws for it; of another
    `appearance` where one is given."""
    if appearance is not None:
        if appearance not in (BENIGN, SUSPICIOUS):
            raise InputError(f"appearance {appearance}: give {BENIGN} or {SUSPICIOUS}")
        request = dataclasses.replace(request, appearance=appearance)
    drawn = draw_appearance(request, node.index, node.shape_mm or node.long_axis_mm)
    return dataclasses.replace(node, **vars(drawn))


def _same(plan: Plan, other: Plan) -> bool:
    """Whether two plans are painted the same, whatever their places are called, and but for what
    transforms there and back do to these."""
    first, second = (
        [dataclasses.replace(n.unnamed, center_ras_mm=as_point(n.center_ras_mm, 6)) for n in nodes]
        for nodes in (plan.nodes, other.nodes)
    )
    return first == second


def changes(hu: np.ndarray, before: Painted, after: Painted) -> list[Piece]:
    """What differs between two paintings of one CT `hu` (z, y, x): pieces with the HU, the label
    and the changed voxels of all lymph nodes there `after`."""
    once = [piece for piece in after.pieces if piece not in before.pieces]
    once += [piece for piece in before.pieces if piece not in after.pieces]
    return [_whole(hu, piece.box, after) for piece in once]


def labels_in(box: Box, painted: Painted) -> np.ndarray:
    """The numbers of the lymph nodes (z, y, x; uint16) in a box of the CT; where two share a voxel,
    that of the later one."""
    labels = np.zeros([part.stop - part.start for part in box], np.uint16)
    for k, here, there in overlapping(box, painted.pieces):
        labels[here][painted.pieces[k].label[there]] = painted.plan.nodes[k].number
    return labels


def _whole(hu: np.ndarray, box: Box, painted: Painted) -> Piece:
    changed = np.zeros([part.stop - part.start for part in box], bool)
    for k, here, there in overlapping(box, painted.pieces):
        changed[here] |= painted.pieces[k].changed[there]
    new = with_pieces(hu[box], box, painted.pieces)
    return Piece(box, new, labels_in(box, painted) > 0, changed)
