"""Lymph nodes of given shapes and places painted into a CT."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from LNGenLib.image.edge import edge_spread
from LNGenLib.image.geometry import array_spacing
from LNGenLib.image.grid import Box, inside_grid
from LNGenLib.image.hu import MUSCLE
from LNGenLib.image.io import to_array
from LNGenLib.image.noise import Noise, measure_noise
from LNGenLib.image.pieces import with_pieces
from LNGenLib.progress import SILENT, Progress
from LNGenLib.randomness import node_rng, node_seed
from LNGenLib.structure.lymph_node import LymphNode
from LNGenLib.synthesis.appearance import Appearance, draw_unevenness
from LNGenLib.synthesis.enhancement import Enhancement, draw_means, measure_enhancement
from LNGenLib.synthesis.phase import measure_phase, muscle_level
from LNGenLib.synthesis.plan import Phase
from LNGenLib.texture.blending import REACH, BlendedNode, Scanner, Tissue, scanned
from LNGenLib.texture.model import STEPS, TextureModel
from LNGenLib.texture.stranding import with_strands
from LNGenLib.texture.unevenness import uneven

NOISE_NEIGHBORHOOD = np.array((15.0, 40.0, 40.0))  # mm (z, y, x): farther slices tell no more


@dataclass(frozen=True)
class ScanTraits:
    """What is measured of a scan as a whole: the spread of its edges (mm), and its phase."""

    edge_spread: float
    phase: Phase


def measure_scan(
    hu: np.ndarray,
    spacing: np.ndarray,
    labels: np.ndarray | None = None,
    artery: float | None = None,
) -> ScanTraits:
    """Traits of the CT `hu` (z, y, x) with `spacing` (z, y, x) in mm; `labels` and `artery` are
    those of `measure_phase`."""
    return ScanTraits(edge_spread(hu, spacing), measure_phase(hu, spacing, labels, artery))


@dataclass(frozen=True, eq=False)
class Painting:
    """Lymph nodes painted one after the other into the CT `before` (z, y, x), which stays: each
    node as painted, its wanted mean HU, the noise it was given and its conspicuity."""

    before: np.ndarray
    nodes: list[BlendedNode]
    means: Sequence[float]
    noise: Sequence[Noise]
    conspicuity: Sequence[float]

    @cached_property
    def hu(self) -> np.ndarray:
        """The CT (z, y, x) with the lymph nodes."""
        hu = self.before.copy()
        for node in self.nodes:
            node.put_into(hu[node.box])
        return hu

    @cached_property
    def labels(self) -> np.ndarray:
        """Instance labels (z, y, x; uint16), node k is k + 1."""
        labels = np.zeros(self.before.shape, np.uint16)
        for number, node in enumerate(self.nodes, 1):
            labels[node.box][node.label] = number
        return labels

    @cached_property
    def changed(self) -> np.ndarray:
        """1 (z, y, x; uint8) where HU may have changed."""
        changed = np.zeros(self.before.shape, np.uint8)
        for node in self.nodes:
            changed[node.box][node.changed] = 1
        return changed


def paint_nodes(
    hu: np.ndarray,
    nodes: Sequence[LymphNode],
    seed: int,
    model: TextureModel,
    steps: int = STEPS,
    means: Sequence[float] | None = None,
    traits: ScanTraits | None = None,
) -> Painting:
    """Paint `nodes` into the CT `hu` (z, y, x; not modified); each depends on the seed and its
    place in `nodes`. Their tissue is as even as it is made, and no strands lie round them.

    `means` are the wanted mean HU of the nodes; without them they are drawn by the scan's phase.
    `traits` are those of `measure_scan`, where they are known already.
    """
    traits, numbers = traits or measure_scan(hu, nodes[0].spacing), range(len(nodes))
    if means is None:
        means = draw_means(traits.phase, numbers, seed)
    tissues = make_tissues(hu, nodes, means, seed, model, numbers, None, steps)
    return blend_all(hu, nodes, tissues, means, seed, traits, numbers)


def make_tissues(
    hu: np.ndarray,
    nodes: Sequence[LymphNode],
    means: Sequence[float],
    seed: int,
    model: TextureModel,
    numbers: Sequence[int],
    looks: Sequence[Appearance] | None,
    steps: int = STEPS,
    progress: Progress = SILENT,
) -> list[Tissue]:
    """The tissue of `nodes` in the CT `hu` (z, y, x), of these mean HU, as uneven as they look."""
    seeds = [node_seed(seed, number, "texture") for number in numbers]
    tissues = model.sample(hu, nodes, means, seeds, steps, progress=progress)
    return vary(tissues, nodes, seed, numbers, looks) if looks else tissues


def vary(
    tissues: Sequence[Tissue],
    nodes: Sequence[LymphNode],
    seed: int,
    numbers: Sequence[int],
    looks: Sequence[Appearance],
) -> list[Tissue]:
    """Even tissues as uneven as their nodes look, with a necrotic core where these have one."""
    varied = []
    for tissue, node, number, look in zip(tissues, nodes, numbers, looks, strict=True):
        if look.appearance is not None:
            deviation = draw_unevenness(look.appearance, seed, number)
            rng = node_rng(seed, number, "field")
            tissue = uneven(tissue, node, deviation, look.necrosis, rng)
        varied.append(tissue)
    return varied


def blend_all(
    hu: np.ndarray,
    nodes: Sequence[LymphNode],
    tissues: Sequence[Tissue],
    means: Sequence[float],
    seed: int,
    traits: ScanTraits,
    numbers: Sequence[int],
    looks: Sequence[Appearance] | None = None,
) -> Painting:
    """Paint `nodes` of known tissue, of these mean HU, into `hu` (z, y, x; not modified); with
    strands round those that look irregular."""
    noises = [noise_near(hu, node) for node in nodes]
    seen: list[float] = []
    painting, spread = Painting(hu, [], means, noises, seen), traits.edge_spread
    for k, (node, tissue) in enumerate(zip(nodes, tissues, strict=True)):
        brush = prepare(hu, node, tissue, means[k], noises[k], spread)
        seen.append(brush.conspicuity)
        old = with_pieces(hu[brush.box], brush.box, painting.nodes)
        irregular = bool(looks and looks[k].irregular)
        painting.nodes.append(brush.blend(old, seed, numbers[k], irregular))
    return painting


@dataclass(frozen=True, eq=False)
class Brush:
    """A node ready to be painted into its `box` of a CT: its tissue, mean HU, the noise there, its
    `share` of what the scanner shows in each voxel (z, y, x), and its conspicuity."""

    node: LymphNode
    tissue: Tissue
    mean: float
    noise: Noise
    spread: float
    box: Box
    share: np.ndarray
    conspicuity: float

    def blend(self, old: np.ndarray, seed: int, number: int, irregular: bool) -> BlendedNode:
        """The node painted over the HU `old` (z, y, x; not modified) of its box; noise and strands
        are those of lymph node `number`, from 0, of a seed."""
        scanner, turn = Scanner(self.noise, self.spread), node_rng(seed, number, "noise")
        painted = self.tissue.blend(old, self.box, self.node, self.share, scanner, turn)
        if irregular:
            strands = node_rng(seed, number, "strands")
            painted = with_strands(painted, self.node, self.mean, scanner, strands)
        return painted


def prepare(
    hu: np.ndarray, node: LymphNode, tissue: Tissue, mean: float, noise: Noise, spread: float
) -> Brush:
    """What a node of known tissue, mean HU and noise needs to be painted into the CT `hu` (z, y,
    x), whose edges have this `spread` (mm)."""
    box = inside_grid(node.box(REACH), hu.shape)
    share = scanned(node, box, spread)
    seen = _conspicuity(hu[box], share, mean, noise)
    return Brush(node, tissue, mean, noise, spread, box, share, seen)


def conspicuity(hu: np.ndarray, node: LymphNode, mean: float, spread: float) -> float:
    """How far a node of this mean HU stands out, once it is painted into `hu` (z, y, x), of this
    edge spread (mm): the peak of the change that it makes, over the level of the noise near it.

    What it takes the place of is averaged over all voxels that it changes.
    """
    box = inside_grid(node.box(REACH), hu.shape)
    share = scanned(node, box, spread)
    return _conspicuity(hu[box], share, mean, noise_near(hu, node))


def _conspicuity(hu: np.ndarray, share: np.ndarray, mean: float, noise: Noise) -> float:
    """Of a node's `share` of what the scanner shows where `hu` (both z, y, x) was."""
    return float(share.max()) * abs(mean - float(hu[share > 0].mean())) / noise.level


def enhancement_like(ct: sitk.Image, real: sitk.Image) -> Enhancement | None:
    """The enhancement that makes lymph nodes as bright as the `real` ones (not 0) of a CT; None
    where none is large enough to tell."""
    hu, spacing = sitk.GetArrayViewFromImage(ct), array_spacing(ct)
    spread, muscle = edge_spread(hu, spacing), muscle_level(hu)
    return measure_enhancement(hu, to_array(real), spacing, spread, muscle)


def noise_near(hu: np.ndarray, node: LymphNode) -> Noise:
    """Noise of the soft tissue of `hu` (z, y, x) within some centimeters of a node."""
    part = hu[inside_grid(node.box(NOISE_NEIGHBORHOOD), hu.shape)]
    tissue = (part > MUSCLE[0]) & (part < MUSCLE[1])
    return measure_noise(part, ndimage.binary_erosion(tissue, np.ones((1, 3, 3))))
