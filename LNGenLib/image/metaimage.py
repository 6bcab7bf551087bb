"""Headers of MetaImage files, .mha and .mhd (https://itk.org/Wiki/ITK/MetaIO/Documentation)."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np

from LNGenLib.errors import InputError
from LNGenLib.image.stored import Stored

ELEMENTS = "CHAR UCHAR SHORT USHORT INT UINT LONG ULONG LONG_LONG ULONG_LONG FLOAT DOUBLE".split()
KINDS = "i1 u1 i2 u2 i4 u4 i4 u4 i8 u8 f4 f8".split()  # of numpy
TYPES = {f"MET_{name}": kind for name, kind in zip(ELEMENTS, KINDS)}
ORIENTING = {"TransformMatrix", "Rotation", "Orientation"}  # three names of one thing
DAMAGED = "{} has a MetaImage header that is damaged: copy it again"
VECTORS = {"Offset", "Position", "Origin", "CenterOfRotation", "ElementSpacing", "ElementSize"}
METAIMAGE = re.compile(rb"(ObjectType|ObjectSubType|Comment|NDims)\s*=")


def metaimage_stored(path: Path) -> Stored:
    """Where a MetaImage has its voxels.

    Raises InputError for a damaged header, and for voxels in text or in several files.
    """
    fields, offset = _fields(path)
    try:
        kind = TYPES[fields["ElementType"]]
        sizes = [int(size) for size in fields["DimSize"].split(" ")]
        _check_numbers(fields, len(sizes))
        count = math.prod(sizes) * int(fields.get("ElementNumberOfChannels", "1"))
        name, skip = fields["ElementDataFile"], int(fields.get("HeaderSize", "0"))
        length = int(fields["CompressedDataSize"]) if "CompressedDataSize" in fields else None
    except (KeyError, ValueError) as error:
        raise InputError(DAMAGED.format(path)) from error
    local = name.upper() == "LOCAL"
    whole = local or not ("%" in name or name.startswith("LIST"))
    if not whole or not _true(fields, "BinaryData", "True") or skip or count <= 0:
        raise InputError(f"{path} is MetaImage of a rare kind: save it again as one binary .mha")
    big = any(_true(fields, key) for key in ("BinaryDataByteOrderMSB", "ElementByteOrderMSB"))
    dtype = np.dtype((">" if big else "<") + kind)
    file, offset = (path, offset) if local else (path.parent / name, 0)
    oriented, packed = bool(ORIENTING & set(fields)), _true(fields, "CompressedData")
    length = length if packed else None
    return Stored("MetaImageIO", path, file, dtype, count, offset, oriented, packed, length=length)


def _check_numbers(fields: dict[str, str], axes: int) -> None:
    """Raise ValueError where MetaIO would stop at a number, or take a part of it."""
    if int(fields["NDims"]) != axes:
        raise ValueError
    for key, count in {**dict.fromkeys(ORIENTING, axes**2), **dict.fromkeys(VECTORS, axes)}.items():
        values = [float(value) for value in fields.get(key, "").split()]
        if len(values) not in (0, count) or not all(map(math.isfinite, values)):
            raise ValueError


def _true(fields: dict[str, str], key: str, default: str = "False") -> bool:
    return fields.get(key, default)[:1] in ("T", "t", "1")


def _fields(path: Path) -> tuple[dict[str, str], int]:
    """The fields and where the header ends; ElementDataFile is its last one."""
    fields: dict[str, str] = {}
    with open(path, "rb") as file:
        while "ElementDataFile" not in fields and (line := file.readline()):
            name, separator, value = line.decode("latin-1").partition("=")
            if not separator:
                raise InputError(DAMAGED.format(path))
            fields[name.strip()] = value.strip()
        return fields, file.tell()
