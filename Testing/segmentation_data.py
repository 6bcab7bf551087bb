"""A data set for tests of segmentation: balls of soft tissue in noisy fat."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from LNGenLib.image.io import write_image

SHAPE, SPACING = (24, 40, 40), (1.25, 0.7, 0.7)


def two_balls(rng: np.random.Generator) -> np.ndarray:
    """Labels (z, y, x) of a tiny scan."""
    labels = np.zeros(SHAPE, np.uint16)
    for label, center in enumerate(((8, 12, 12), (14, 28, 26)), 1):
        offset = np.indices(SHAPE) - np.reshape(center + rng.integers(-2, 3, 3), (3, 1, 1, 1))
        distance = np.sqrt(((offset * np.reshape(SPACING, (3, 1, 1, 1))) ** 2).sum(0))
        labels[distance < rng.uniform(2, 5)] = label
    return labels


def write_cases(
    folder: Path, count: int, draw: Callable[[np.random.Generator], np.ndarray] = two_balls
) -> Path:
    """Write scans and labels; returns the table. The last two are for validation and test."""
    rows = []
    for number in range(count):
        rng = np.random.default_rng(number)
        labels = draw(rng)
        hu = np.where(labels > 0, 60.0, -100.0)
        hu += rng.normal(0, 8, labels.shape)
        names = []
        for kind, array in (("images", hu.astype(np.int16)), ("labels", labels)):
            image = sitk.GetImageFromArray(array)
            image.SetSpacing(SPACING[::-1])
            image.SetOrigin((3.0, -5.0, 7.0))
            (folder / kind).mkdir(parents=True, exist_ok=True)
            names.append(f"{kind}/case{number}.nii.gz")
            write_image(image, folder / names[-1])
        part = {count - 2: "validation", count - 1: "test"}.get(number, "train")
        rows.append([*names, f"case{number}", f"patient{number}", part])
    table = folder / "cases.csv"
    with table.open("w", newline="") as file:
        csv.writer(file).writerows([["image", "label", "id", "patient", "part"], *rows])
    return table
