"""Named features of the tissue of a body, of its edge and of what is next to it.

After the first-order and GLCM features of PyRadiomics
(https://pyradiomics.readthedocs.io/en/latest/features.html) and what a reader of CT looks at.
Deviations are in units of the noise of the scan, so that scans can be compared.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage, stats
from skimage.feature import graycomatrix, graycoprops

from LNGenLib.evaluation.realism.specimens import Specimen
from LNGenLib.image.hu import normalize
from LNGenLib.texture.blending import REACH

LEAST_RANGE = 1e-3  # below it values are all one
LEVELS = 32  # gray levels of the co-occurrence matrix


def tissue_features(specimen: Specimen, noise: float) -> dict[str, float]:
    """Features of a specimen; `noise` is the standard deviation of the scan's noise in HU."""
    hu, mask, spacing = specimen.hu, specimen.mask, specimen.spacing
    depth = ndimage.distance_transform_edt(mask, sampling=spacing)
    core = specimen.core
    apart = ndimage.distance_transform_edt(~mask, sampling=spacing)
    rim = (apart > 0) & (apart <= max(1.5, spacing[1]))
    shell = (apart > 0) & ~rim & (apart <= REACH)
    values = hu[core]
    residual = hu - ndimage.uniform_filter(hu, (1, 3, 3))
    slope = np.hypot(np.gradient(hu, spacing[1], axis=1), np.gradient(hu, spacing[2], axis=2))
    contrast = max(values.mean() - np.median(hu[rim | shell]), 10.0)
    border = ndimage.binary_dilation(mask) & ~ndimage.binary_erosion(mask, iterations=2)
    steepness = slope[border] / contrast
    low, high = np.percentile(values, [10, 90])
    varied = np.ptp(values) >= LEAST_RANGE
    found = {
        "mean": values.mean(),
        "deviation": values.std() / noise,
        "skewness": stats.skew(values) if varied else 0.0,
        "kurtosis": stats.kurtosis(values) if varied else 0.0,
        "range": (high - low) / noise,
        "residual": residual[core].std() / noise,
        "laplacian": np.abs(ndimage.laplace(hu))[core].mean() / noise,
        "correlation in-plane": _correlation(hu, core, 2),
        "correlation across slices": _correlation(hu, core, 0),
        "trend with depth": _correlated(hu[mask], depth[mask]),
        "rim mean": hu[rim].mean(),
        "rim deviation": hu[rim].std() / noise,
        "edge slope": np.percentile(steepness, 80),
        "edge slope deviation": steepness.std(),
        "shell mean": hu[shell].mean() if shell.any() else 0.0,
        "shell deviation": hu[shell].std() / noise if shell.any() else 0.0,
        "shell residual": residual[shell].std() / noise if shell.any() else 0.0,
    }
    return {name: float(value) for name, value in (found | _glcm(hu, mask)).items()}


def _correlation(hu: np.ndarray, where: np.ndarray, axis: int) -> float:
    """Correlation of neighbors along an axis, both in `where`."""
    a, b = (np.moveaxis(x, axis, 0) for x in (hu, where))
    both = b[1:] & b[:-1]
    if both.sum() < 4:
        return 0.0
    return _correlated(a[1:][both], a[:-1][both])


def _glcm(hu: np.ndarray, mask: np.ndarray) -> dict[str, float]:
    """Of the neighbors in-plane, both in the mask, over all slices."""
    gray = ((normalize(hu) + 1) / 2 * (LEVELS - 1)).round().astype(np.uint8) + 1
    gray[~mask] = 0  # a level of its own, left out below
    counts = sum(
        graycomatrix(part, [1], [0, np.pi / 2], LEVELS + 1, symmetric=True).astype(float)
        for part, inside in zip(gray, mask)
        if inside.any()
    )[1:, 1:].sum(3, keepdims=True)
    if not counts.sum():
        return dict.fromkeys(("GLCM contrast", "GLCM homogeneity", "GLCM energy"), 0.0)
    matrix = counts / counts.sum()
    return {
        f"GLCM {name}": graycoprops(matrix, name)[0, 0]
        for name in ("contrast", "homogeneity", "energy")
    }


def _correlated(a: np.ndarray, b: np.ndarray) -> float:
    """Correlation of two samples, 0 where one is constant."""
    if min(np.ptp(a), np.ptp(b)) < LEAST_RANGE:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])
