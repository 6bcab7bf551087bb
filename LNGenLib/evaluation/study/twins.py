"""Real lymph nodes of a scan, or bodies that look like some, and for each a painted twin: of its
size and as deep in fat, elsewhere in the same scan."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from LNGenLib.datasets.case import Case
from LNGenLib.errors import InputError
from LNGenLib.evaluation.realism.matched_controls import depth_in_fat
from LNGenLib.evaluation.realism.specimens import CALIPER, Specimen, find_specimens, specimen_of
from LNGenLib.evaluation.segmentation.lesions import long_axis
from LNGenLib.image.components import instances
from LNGenLib.image.geometry import array_spacing
from LNGenLib.image.grid import inside_grid
from LNGenLib.image.io import like, to_array
from LNGenLib.placement.candidate_region import NoPlace, deep
from LNGenLib.progress import SILENT, Progress
from LNGenLib.randomness import case_seed, node_seed
from LNGenLib.scan import Scan
from LNGenLib.structure.lymph_node import LymphNode
from LNGenLib.structure.sizes import LARGEST, Sizes
from LNGenLib.synthesis.engine import paint, plan
from LNGenLib.synthesis.models import Models
from LNGenLib.synthesis.painting import enhancement_like
from LNGenLib.synthesis.realizing import draw_structures, lymph_nodes
from LNGenLib.synthesis.request import SynthesisRequest
from LNGenLib.texture.dataset import Body, LabeledScan

SMALLEST = 3.0  # mm: smaller ones can hardly be seen, real or painted
LEAST_FAT = 0.5  # share of fat round bodies that look like lymph nodes
CANDIDATES = 8  # places of which a twin takes the most alike


@dataclass(frozen=True, eq=False)
class Twins:
    """A real node and its painted twin, as `Specimen`s; the twin's record, as JSON takes it."""

    real: Specimen
    painted: Specimen
    record: dict


class StudyScan:
    """A scan whose real nodes get twins, one after the other, all in one CT: what one crop shows,
    another one beside it shows, too.

    Where the case has labels the real ones are its labeled lymph nodes, else bodies that look like
    some. Raises InputError where it has none that can be shown.
    """

    def __init__(self, case: Case, models: Models, seed: int):
        loaded = case.load()
        self.case, self.models, self.seed = case, models, seed
        self.ct = sitk.DICOMOrient(loaded.ct, "LPS")
        self.spacing = array_spacing(self.ct)
        self.scan = LabeledScan(to_array(self.ct), self.spacing, None)
        self.enhancement, self.real = None, list[Specimen]()
        self.taken = np.zeros(self.scan.hu.shape, bool)
        if loaded.nodes is not None:
            nodes = sitk.DICOMOrient(loaded.nodes, "LPS")
            self.enhancement = enhancement_like(self.ct, nodes)
            self.real = self._labeled(instances(to_array(nodes)))
            self.taken |= to_array(nodes) > 0
        else:
            bodies = find_specimens(case.id, self.scan)
            self.real = [body for body in bodies if body.fat >= LEAST_FAT]
            for body in self.real:
                self.taken[body.box] |= body.mask
        self.real = [one for one in self.real if SMALLEST <= one.long_axis <= LARGEST]
        np.random.default_rng(case_seed(seed, case.id)).shuffle(self.real)
        if not self.real:
            raise InputError("no lymph node, or body like one, of a size to show: leave it out")
        self.region = like(deep(self.ct).astype(np.uint8), self.ct)
        self.depth = depth_in_fat(self.scan)

    def _labeled(self, labels: np.ndarray) -> list[Specimen]:
        found = []
        for number, box in enumerate(ndimage.find_objects(labels), 1):
            if box is not None:
                mask = labels[box] == number
                body = Body(mask, box, long_axis(mask, self.spacing))
                found.append(specimen_of(self.case.id, self.scan, body))
        return found

    def add_twin(self, number: int) -> Twins | None:
        """Paint the twin of real node `number` into the CT; None where no place is alike."""
        real = self.real[number]
        seed = node_seed(self.seed, number, f"twin {self.case.id}")
        avoid = like(self.taken.astype(np.uint8), self.ct)
        scan = Scan(self.ct, region=self.region, avoid=avoid)
        request = SynthesisRequest(
            CANDIDATES,
            Sizes("uniform", real.long_axis, real.long_axis),
            seed,
            allow_fewer=True,
            enhancement=self.enhancement,
        )
        try:
            drawn = plan(scan, request, self.models)
        except NoPlace:
            return None
        samples = draw_structures(drawn, self.models.structure, SILENT)
        places = lymph_nodes(drawn, samples.structures, self.ct)
        apart = [self._distance(real, place) for place in places]
        best = int(np.argmin(apart))
        if apart[best] > 1:
            return None
        chosen = dataclasses.replace(drawn, nodes=(drawn.nodes[best],))
        result = paint(scan, chosen, models=self.models)
        self.ct, mask = result.ct, to_array(result.nodes) > 0
        self.taken |= mask
        self.scan = LabeledScan(to_array(self.ct), self.spacing, None)
        (box,) = ndimage.find_objects(mask.astype(np.uint8))
        body = Body(mask[box], box, long_axis(mask[box], self.spacing))
        painted = specimen_of(self.case.id, self.scan, body)
        record = {"seed": seed, **dataclasses.asdict(result.records[0])}
        return Twins(real, painted, record)

    def twins(self, count: int, progress: Progress) -> list[Twins]:
        """Up to so many twins, as the finished CT shows them."""
        found: list[Twins] = []
        for number in range(len(self.real)):
            progress.step(len(found), count)
            if len(found) == count:
                break
            twin = self.add_twin(number)
            if twin is not None:
                found.append(twin)
        again = ((_again(t.real, self.scan), _again(t.painted, self.scan), t.record) for t in found)
        return [Twins(*each) for each in again]

    def _distance(self, real: Specimen, place: LymphNode) -> float:
        """How far a place is from that of a real node, in depth in fat and in fat round it, in
        calipers."""
        box = inside_grid(place.box(2 * float(self.spacing.max())), self.taken.shape)
        mask = place.occupancy(box) >= 0.5
        if not mask.any():
            return np.inf
        shell = ndimage.binary_dilation(mask, np.ones((3, 3, 3))) & ~mask
        depth = self.depth[box][shell]
        found = np.array([depth.mean(), (depth > 0).mean()])
        return float(np.max(np.abs(found - (real.depth, real.fat)) / CALIPER[1:]))


def _again(one: Specimen, scan: LabeledScan) -> Specimen:
    """A specimen as a later CT shows it: another one may lie beside by then."""
    (inner,) = ndimage.find_objects(one.mask.astype(np.uint8))
    z, y, x = (slice(b.start + s, b.stop + s) for b, s in zip(inner, one.start.tolist()))
    return specimen_of(one.scan, scan, Body(one.mask[inner], (z, y, x), one.long_axis))
