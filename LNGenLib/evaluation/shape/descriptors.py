"""Measures of single shapes: is the surface topologically valid, and what form does it have?"""

from __future__ import annotations

import numpy as np
from scipy import ndimage, sparse, spatial
from skimage import measure

from LNGenLib.structure.frame import TRUNCATION
from LNGenLib.structure.tsdf import mesh_volume, surface

TOPOLOGY = ("one component", "no holes", "genus 0")
FORM = ("sphericity", "solidity", "elongation", "flatness")


def measure_shapes(tsdf: np.ndarray) -> dict[str, np.ndarray]:
    """Each of TOPOLOGY and FORM (n,) for TSDFs (n, 32, 32, 32); ValueError where one is empty."""
    rows = [_measures(one) for one in tsdf]
    return {name: np.array([row[name] for row in rows]) for name in TOPOLOGY + FORM}


def has_valid_surface(distance: np.ndarray) -> bool:
    """Whether a signed distance (z, y, x) has one component, no holes and genus 0; ValueError where
    it is empty."""
    padded = np.pad(distance, 1, constant_values=TRUNCATION)
    return all(_topology(padded < 0, *surface(padded)).values())


def _measures(tsdf: np.ndarray) -> dict[str, float]:
    padded = np.pad(tsdf, 1, constant_values=TRUNCATION)  # so that the surface is closed
    inside = padded < 0
    mesh = surface(padded)
    return _topology(inside, *mesh) | _form(inside, *mesh)


def _topology(inside: np.ndarray, vertices: np.ndarray, faces: np.ndarray) -> dict[str, float]:
    edges = np.sort(faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    graph = sparse.coo_array((np.ones(len(edges)), edges.T), (len(vertices),) * 2).tocsr()
    parts, _ = sparse.csgraph.connected_components(graph, directed=False)
    euler = len(vertices) - graph.nnz + len(faces)
    return {
        "one component": ndimage.label(inside, np.ones((3, 3, 3)))[1] == 1,
        "no holes": ndimage.label(~inside)[1] == 1,
        "genus 0": parts == 1 and euler == 2,
    }


def _form(inside: np.ndarray, vertices: np.ndarray, faces: np.ndarray) -> dict[str, float]:
    """Sphericity, elongation and flatness are those of PyRadiomics.

    https://pyradiomics.readthedocs.io/en/latest/features.html
    """
    volume = mesh_volume(vertices, faces)
    area = measure.mesh_surface_area(vertices, faces)
    least, minor, major = np.linalg.eigvalsh(np.cov(np.argwhere(inside).T))
    return {
        "sphericity": np.pi ** (1 / 3) * (6 * volume) ** (2 / 3) / area,
        "solidity": volume / spatial.ConvexHull(vertices).volume,
        "elongation": np.sqrt(minor / major),
        "flatness": np.sqrt(max(least, 0) / major),
    }
