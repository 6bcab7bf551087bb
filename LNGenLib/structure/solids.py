"""Procedural solids without medical content, to pre-train the shape VAE where masks are few.

Superquadrics (Barr 1981, https://doi.org/10.1109/MCG.1981.1673799), tori, bent capsules, rounded
boxes and cylinders, and smooth unions and differences of them
(https://iquilezles.org/articles/distfunctions); a third has a bumpy surface.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import ndimage

from LNGenLib.randomness import node_rng
from LNGenLib.structure.frame import GRID, SAMPLE
from LNGenLib.structure.tsdf import diameter, surface, truncated_distance

Field = Callable[[np.ndarray], np.ndarray]  # points (3, ...) -> values, negative inside

LARGEST = 1.8  # half long axis that no solid exceeds before it is scaled
THINNEST = 0.75 * SAMPLE  # least depth of a solid: thinner ones are lost between the samples
MISFIT = 0.025  # largest error of the half long axis: the tips of thinner spikes are lost, too


def solids(count: int, seed: int) -> np.ndarray:
    """TSDFs (count, 32, 32, 32) float16 in `structure.frame`; number k depends on (seed, k) alone.

    Each solid has one component and no cavity; its surface may have handles.
    """
    return np.stack([solid(node_rng(seed, k, "solid")) for k in range(count)]).astype(np.float16)


def solid(rng: np.random.Generator) -> np.ndarray:
    """One TSDF (32, 32, 32) float32; split, hollow and too thin ones are drawn again."""
    while True:
        tsdf = _normalized(_random_field(rng))
        if tsdf is not None:
            return tsdf


def _random_field(rng: np.random.Generator) -> Field:
    field = _placed(rng, _primitive(rng), 0.0)
    if rng.random() < 0.6:
        for _ in range(rng.integers(1, 3)):
            field = _combined(rng, field, _placed(rng, _primitive(rng), 0.8))
    return _bumpy(rng, field) if rng.random() < 1 / 3 else field


def _primitive(rng: np.random.Generator) -> Field:
    kinds = (_superquadric, _torus, _bent_capsule, _rounded_box, _rounded_cylinder)
    return kinds[rng.choice(len(kinds), p=(0.4, 0.1, 0.2, 0.15, 0.15))](rng)


def _superquadric(rng: np.random.Generator) -> Field:
    """Exponents 2 / e: 0.3 is nearly a box, 1 an ellipsoid, above 2 the sides are hollow."""
    e1, e2 = rng.uniform(0.3, 2.4, 2)
    radii = _column(rng.uniform(0.35, 1, 3))

    def field(p: np.ndarray) -> np.ndarray:
        x, y, z = np.abs(p / radii) + 1e-6
        ring = (x ** (2 / e2) + y ** (2 / e2)) ** (e2 / e1)
        return ((ring + z ** (2 / e1)) ** (e1 / 2) - 1) * radii.min()

    return field


def _torus(rng: np.random.Generator) -> Field:
    return _arc(rng.uniform(0.5, 0.75), np.pi, rng.uniform(0.2, 0.3))


def _bent_capsule(rng: np.random.Generator) -> Field:
    length, angle = rng.uniform(0.4, 0.9), rng.uniform(0.1, 2.2)  # halves
    return _arc(length / angle, angle, rng.uniform(0.2, 0.4))


def _arc(radius: float, angle: float, thickness: float) -> Field:
    """A circle's arc of +-`angle` rad about the y axis, its middle in the origin, made thick."""
    sine, cosine = np.float32(np.sin(angle)), np.float32(np.cos(angle))

    def field(p: np.ndarray) -> np.ndarray:
        x, y, z = np.abs(p[0]), p[1] + np.float32(radius), p[2]
        beyond = cosine * x > sine * y
        along = np.where(beyond, sine * x + cosine * y, np.hypot(x, y))
        squared = x * x + y * y + z * z + radius**2 - 2 * radius * along
        return np.sqrt(np.maximum(squared, 0)) - thickness

    return field


def _rounded_box(rng: np.random.Generator) -> Field:
    half = rng.uniform(0.3, 0.9, 3)
    edge = rng.uniform(0.1, 0.25)
    return lambda p: _rounded(np.abs(p) - _column(half - edge), edge)


def _rounded_cylinder(rng: np.random.Generator) -> Field:
    radius, half = rng.uniform(0.3, 0.9, 2)
    edge = rng.uniform(0.1, 0.25)
    return lambda p: _rounded(
        np.stack([np.hypot(p[0], p[1]) - (radius - edge), np.abs(p[2]) - (half - edge)]), edge
    )


def _rounded(beyond: np.ndarray, edge: float) -> np.ndarray:
    """Distance where `beyond` (k, ...) are the distances beyond k perpendicular faces."""
    outside = np.sqrt((np.maximum(beyond, 0) ** 2).sum(0))
    return outside + np.minimum(beyond.max(0), 0) - edge


def _placed(rng: np.random.Generator, field: Field, shift: float) -> Field:
    """`field` randomly rotated, mirrored (both by `turn`) and moved by up to `shift`."""
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0].astype(np.float32)
    offset = _column(rng.uniform(-shift, shift, 3))
    return lambda p: field(np.tensordot(turn, p - offset, 1))


def _combined(rng: np.random.Generator, first: Field, second: Field) -> Field:
    """Smooth union, or smooth difference, of two solids."""
    width, sign = rng.uniform(0.05, 0.4), 1 if rng.random() < 0.65 else -1

    def field(p: np.ndarray) -> np.ndarray:
        a, b = sign * first(p), second(p)
        overlap = np.maximum(width - np.abs(a - b), 0)
        return sign * (np.minimum(a, b) - overlap**2 / (4 * width))

    return field


def _bumpy(rng: np.random.Generator, field: Field) -> Field:
    """`field` displaced by five waves of at least half a unit's length."""
    direction = rng.normal(size=(5, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    waves = (direction * rng.uniform(4, 12, (5, 1))).astype(np.float32)
    phases = _column(rng.uniform(0, 2 * np.pi, 5))
    height = rng.uniform(0.01, 0.035)
    return lambda p: field(p) + height * np.sin(np.tensordot(waves, p, 1) + phases).sum(0)


def _column(values: np.ndarray) -> np.ndarray:
    return values.astype(np.float32).reshape(-1, 1, 1, 1)


def _normalized(field: Field) -> np.ndarray | None:
    """The TSDF (32, 32, 32) float16 of a field; None for a solid that the grid can't hold."""
    middle, half_axis = np.zeros(3), LARGEST
    for measured in (_half_diagonal, _half_axis):  # the second on a grid that fits better
        values = field(_grid(middle, half_axis))
        if values.min() >= 0:
            return None
        vertices = (surface(values)[0] - (GRID - 1) / 2) * SAMPLE * half_axis + middle
        middle, half_axis = (vertices.min(0) + vertices.max(0)) / 2, measured(vertices)
    values = field(_grid(middle, half_axis))
    inside = values < 0
    if ndimage.label(inside)[1] != 1 or ndimage.label(~inside)[1] != 1:
        return None
    tsdf = truncated_distance(values)
    scale = _half_axis(surface(tsdf)[0] * SAMPLE)
    return tsdf if tsdf.min() < -THINNEST and abs(scale - 1) < MISFIT else None


def _half_axis(vertices: np.ndarray) -> float:
    return diameter(vertices)[0] / 2


def _half_diagonal(vertices: np.ndarray) -> float:
    return float(np.linalg.norm(np.ptp(vertices, 0))) / 2


def _grid(middle: np.ndarray, half_axis: float) -> np.ndarray:
    """The frame's samples (3, 32, 32, 32) about `middle`, as `half_axis` scales them."""
    offsets = (np.arange(GRID) - (GRID - 1) / 2) * SAMPLE * half_axis
    return np.stack(np.meshgrid(*(m + offsets for m in middle), indexing="ij")).astype(np.float32)
