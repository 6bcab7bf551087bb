"""Small DICOM series, a file a slice, by GDCM."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk

AXIAL = "1\\0\\0\\0\\1\\0"


def write_slices(
    folder: Path,
    array: np.ndarray,
    series: str = "1.2.3",
    positions: Sequence[Sequence[float]] | None = None,
    tags: dict[str, str] | None = None,
    spacing: tuple[float, float, float] = (0.8, 0.8, 3.0),
) -> list[Path]:
    """The files SERIES.K.dcm of an array (z, y, x) of a spacing (x, y, z) in mm, at positions in
    LPS mm (3 mm apart), with tags over those of a plain axial CT; names are not in the order of the
    slices from ten on."""
    folder.mkdir(exist_ok=True)
    writer = sitk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    files = []
    for k, part in enumerate(array):
        image = sitk.GetImageFromArray(part[None])
        image.SetSpacing(spacing)
        position = (-10, -20, 3 * k) if positions is None else positions[k]
        for tag, value in {
            "0008|0008": "ORIGINAL\\PRIMARY\\AXIAL",
            "0008|0016": "1.2.840.10008.5.1.4.1.1.2",  # CT Image Storage
            "0008|0018": f"{series}.{k}",
            "0008|0060": "CT",
            "0020|000e": series,
            "0020|0032": "\\".join(map(str, position)),
            "0020|0037": AXIAL,
            **(tags or {}),
        }.items():
            image.SetMetaData(tag, value)
        files.append(folder / f"{series}.{k}.dcm")
        writer.SetFileName(str(files[-1]))
        writer.Execute(image)
    return files
