"""Painting plans into one scan, where a plan like the one before costs only what is new in it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Generic, TypeVar

import SimpleITK as sitk

from LNGenLib.image.grid import common
from LNGenLib.image.pieces import with_pieces
from LNGenLib.progress import SILENT, Progress
from LNGenLib.scan import Scan
from LNGenLib.structure.lymph_node import LymphNode
from LNGenLib.structure.model import Samples
from LNGenLib.structure.shape import Structure
from LNGenLib.synthesis.enhancement import draw_means
from LNGenLib.synthesis.fitting import fitted
from LNGenLib.synthesis.measuring import Measured, check_ct, measured
from LNGenLib.synthesis.models import Models
from LNGenLib.synthesis.painted import Painted
from LNGenLib.synthesis.painting import Brush, ScanTraits, make_tissues, noise_near, prepare
from LNGenLib.synthesis.plan import Plan, PlannedNode
from LNGenLib.synthesis.realizing import (
    check_apart,
    check_drawable,
    draw_structures,
    lymph_node,
    surface_of,
)
from LNGenLib.synthesis.recording import make_record, measures_of, provenance
from LNGenLib.synthesis.region import check_fits, with_stations
from LNGenLib.synthesis.result import LymphNodeRecord
from LNGenLib.texture.blending import BlendedNode

MOST = 200  # of what plans had before is kept: some 100 MB

T = TypeVar("T")


class Kept(Generic[T]):
    """The newest of what was made, by what it was made of."""

    def __init__(self):
        self._made: dict[Hashable, T] = {}

    def of(self, keys: Sequence[Hashable], make: Callable[[list[int]], Iterable[T]]) -> list[T]:
        """What belongs to each of the `keys`; `make` is given the places of those that are new."""
        new = [k for k, key in enumerate(keys) if key not in self._made]
        made = dict(zip((keys[k] for k in new), make(new))) if new else {}
        each = dict.fromkeys(keys)
        found = {key: made[key] if key in made else self._made.pop(key) for key in each}
        self._made |= found  # last, as the newest
        for key in list(self._made)[: max(len(self._made) - max(MOST, len(keys)), 0)]:
            del self._made[key]
        return [found[key] for key in keys]


class Painter:
    """Paints plans into a scan. What it makes for a lymph node depends on the plan's request, on
    the node and on what is painted under it alone, and is kept for plans that have it, too."""

    def __init__(self, scan: Scan, models: Models | None = None):
        self.scan, self.models = scan, models or Models()
        self._structures = Kept[tuple[Structure, bool]]()
        self._nodes = Kept[LymphNode]()
        self._brushes = Kept[tuple[Brush, dict[str, Any]]]()
        self._pieces = Kept[BlendedNode]()
        self._records = Kept[LymphNodeRecord]()

    def paint(
        self,
        plan: Plan,
        known: Measured,
        progress: Progress = SILENT,
        samples: Samples | None = None,
    ) -> Painted:
        """Paint a plan, with what is `known` of the scan; `samples` are its structures, where it
        has just been drawn in this scan.

        Raises InputError where it was drawn by other weights and where a lymph node does not fit at
        its place (any more).
        """
        structures = self.structures(plan, progress, samples)
        nodes = self.lymph_nodes(plan, [structure for structure, _ in structures])
        check_apart(plan, nodes)
        if samples is None:
            plan = with_stations(plan, nodes, self.scan)
        traits = known.traits.result()
        plan = dataclasses.replace(plan, phase=traits.phase)
        prepared = self._prepared(plan, nodes, traits, progress, checks=samples is None)
        pieces = self._blended(plan, [brush for brush, _ in prepared], progress)
        records = self._recorded(plan, structures, prepared, pieces)
        hashes = known.hashes.result()
        plan = dataclasses.replace(plan, images=hashes)
        made = provenance(plan, traits.phase, self.models, hashes)
        surfaces = tuple(surface_of(structure) for structure, _ in structures)
        return Painted(plan, tuple(pieces), tuple(records), surfaces, made, tuple(nodes))

    def repaint(
        self, plan: Plan, shown: Painted, fit: int | None = None, progress: Progress = SILENT
    ) -> Painted:
        """Paint a plan, edited, where `shown` is now; lymph node `fit` may be moved by at most the
        request's tolerance and turned, so that it fits. A plan of no weights is drawn by those of
        the models. Raises InputError as `paint`, NoPlace where a node does not fit."""
        if not shown.plan.nodes and plan.weights is None:
            plan = dataclasses.replace(plan, weights=self.models.structure.description["sha256"])
        check_ct(plan, self.scan)
        with measured(self.scan, plan.request.artery_hu, plan.phase, images=False) as known:
            if fit is not None:
                structures = [structure for structure, _ in self.structures(plan, progress)]
                nodes = self.lymph_nodes(plan, structures)
                plan = fitted(plan, fit, nodes, self.scan)
            painted = self.paint(plan, known, progress)
        progress.finish()
        return painted

    def structures(
        self, plan: Plan, progress: Progress = SILENT, samples: Samples | None = None
    ) -> list[tuple[Structure, bool]]:
        """The structures of a plan's lymph nodes, and whether each was repaired."""
        check_drawable(plan, self.models.structure)

        def make(new: list[int]) -> Iterable[tuple[Structure, bool]]:
            some = dataclasses.replace(plan, nodes=tuple(plan.nodes[k] for k in new))
            drawn = samples or draw_structures(some, self.models.structure, progress)
            return zip(drawn.structures, drawn.repaired, strict=True)

        return self._structures.of([_shape(plan, node) for node in plan.nodes], make)

    def lymph_nodes(self, plan: Plan, structures: Sequence[Structure]) -> list[LymphNode]:
        """A plan's lymph nodes, of these structures, on the CT's grid; whether they overlap is not
        looked at."""

        def make(new: list[int]) -> Iterable[LymphNode]:
            return (lymph_node(plan.nodes[k], structures[k], self.scan.hu) for k in new)

        each = zip(structures, plan.nodes, strict=True)
        return self._nodes.of([(structure, node.unnamed) for structure, node in each], make)

    def _prepared(
        self,
        plan: Plan,
        nodes: Sequence[LymphNode],
        traits: ScanTraits,
        progress: Progress,
        checks: bool,
    ) -> list[tuple[Brush, dict[str, Any]]]:
        """Each node ready to be painted, and the measures for its record."""
        request, hu = plan.request, sitk.GetArrayViewFromImage(self.scan.hu)

        def make(new: list[int]) -> Iterable[tuple[Brush, dict[str, Any]]]:
            planned, some = [plan.nodes[k] for k in new], [nodes[k] for k in new]
            if checks:
                for one, node in zip(planned, some):
                    check_fits(plan, one, node, self.scan)
            progress.stage("texture", request.texture_steps)
            numbers, looks = [one.index for one in planned], [one.look for one in planned]
            kinds = [look.appearance for look in looks]
            means = draw_means(traits.phase, numbers, plan.seed, request.enhancement, kinds)
            with ThreadPoolExecutor(1) as beside:  # while networks leave a CPU idle
                noises = beside.map(partial(noise_near, hu), some)
                measures = beside.map(partial(measures_of, ct=self.scan.hu), some)
                given = some, means, plan.seed, self.models.texture, numbers, looks
                tissues = make_tissues(hu, *given, request.texture_steps, progress)
                each = zip(some, tissues, means, noises)
                brushes = [prepare(hu, *one, traits.edge_spread) for one in each]
                return list(zip(brushes, measures, strict=True))

        keys = [(plan.request, traits, node) for node in nodes]
        return self._brushes.of(keys, make)

    def _blended(
        self, plan: Plan, brushes: Sequence[Brush], progress: Progress
    ) -> list[BlendedNode]:
        """The nodes painted one after the other; one is painted anew where another lies under it
        now."""
        hu, done = sitk.GetArrayViewFromImage(self.scan.hu), list[BlendedNode]()
        progress.stage("painting", len(brushes))
        for k, (planned, brush) in enumerate(zip(plan.nodes, brushes, strict=True), 1):
            under = [piece for piece in done if common(piece.box, brush.box)]

            def make(_: list[int]) -> Iterable[BlendedNode]:
                old = with_pieces(hu[brush.box], brush.box, under)  # noqa: B023
                yield brush.blend(old, plan.seed, planned.index, planned.irregular)  # noqa: B023

            done += self._pieces.of([(brush, *under)], make)
            progress.step(k, len(brushes))
        return done

    def _recorded(
        self,
        plan: Plan,
        structures: Sequence[tuple[Structure, bool]],
        prepared: Sequence[tuple[Brush, dict[str, Any]]],
        pieces: Sequence[BlendedNode],
    ) -> list[LymphNodeRecord]:
        def make(new: list[int]) -> Iterable[LymphNodeRecord]:
            for k in new:
                brush, known = prepared[k]
                known = known | {"structure_repaired": structures[k][1]}
                given = plan, plan.nodes[k], brush, pieces[k], known
                yield make_record(self.scan, *given, self.models.method)

        return self._records.of(list(zip(plan.nodes, pieces)), make)


def _shape(plan: Plan, node: PlannedNode) -> Hashable:
    """All that a node's structure depends on."""
    size = node.shape_mm or node.long_axis_mm
    return plan.request, plan.weights, node.index, size, node.short_axis_mm, node.look
