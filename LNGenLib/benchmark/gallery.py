"""A picture of shapes: a labeled row a set, its first shapes as shaded surfaces."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage
from scipy.spatial.transform import Rotation

from LNGenLib.structure.frame import GRID, TRUNCATION

COLUMNS, PIXELS, LABEL = 9, 140, 190  # shapes a row, width of a shape, width of the label
VIEW = Rotation.from_euler("xyz", (20, 25, 10), degrees=True).as_matrix()
LIGHT = np.array([-0.7, -0.5, -0.5])  # toward it, along depth, rows and columns
COLOR = np.array([158, 184, 140])


def gallery(sets: dict[str, np.ndarray]) -> Image.Image:
    """TSDFs (n, 32, 32, 32) by the name of their row, nine of each."""
    picture = Image.new("RGB", (LABEL + COLUMNS * PIXELS, len(sets) * PIXELS), "white")
    drawing, font = ImageDraw.Draw(picture), ImageFont.load_default(18)
    for row, (name, shapes) in enumerate(sets.items()):
        drawing.text((8, int((row + 0.5) * PIXELS)), name, "black", font, anchor="lm")
        for column, tsdf in enumerate(shapes[:COLUMNS]):
            picture.paste(shaded(tsdf), (LABEL + column * PIXELS, row * PIXELS))
    return picture


def shaded(tsdf: np.ndarray) -> Image.Image:
    """The surface of a TSDF (32, 32, 32), seen along its turned first axis, on white."""
    values = ndimage.spline_filter(np.pad(tsdf, 1, constant_values=TRUNCATION), mode="nearest")

    def at(points: np.ndarray) -> np.ndarray:  # (3, ...), in samples from the middle
        index = np.tensordot(VIEW, points, 1) + (GRID + 1) / 2
        return ndimage.map_coordinates(values, index, order=3, mode="nearest", prefilter=False)

    across = np.linspace(-0.5, 0.5, PIXELS) * GRID
    depth = np.arange(-0.8 * GRID, 0.8 * GRID, 0.5)
    field = at(np.stack(np.meshgrid(depth, across, across, indexing="ij")))
    hit, visible = field < 0, field.min(0) < 0
    first = hit.argmax(0).clip(1)
    before, after = (np.take_along_axis(field, k[None], 0)[0] for k in (first - 1, first))
    fraction = before / np.where(visible, before - after, 1)
    surface = np.stack(
        [depth[first - 1] + 0.5 * fraction, *np.meshgrid(across, across, indexing="ij")]
    )
    steps = 0.5 * np.eye(3)[:, :, None, None]
    normal = np.stack([at(surface + step) - at(surface - step) for step in steps])
    normal /= np.linalg.norm(normal, axis=0) + 1e-9
    light = np.tensordot(LIGHT / np.linalg.norm(LIGHT), normal, 1).clip(0)
    colored = COLOR * (0.35 + 0.75 * light)[..., None]
    return Image.fromarray(np.where(visible[..., None], colored, 255).clip(0, 255).astype("u1"))
