"""The frame of a normalized TSDF.

32^3 samples in a cube 1.2 long axes wide, axes as in the image the shape came from (z, y, x in
arrays), the shape's bounding box centered. Coordinates and distances are in units of half a long
axis, distances clamped to [-0.2, 0.2] (LN-Gen section IV-B), negative inside.
"""

GRID = 32
CUBE = 1.2  # width of the cube, in long axes
TRUNCATION = 0.2  # in half long axes
SAMPLE = 2 * CUBE / GRID  # distance between samples, in half long axes
