"""Headers of NRRD files (https://teem.sourceforge.net/nrrd/format.html)."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np

from LNGenLib.errors import InputError
from LNGenLib.image.stored import Stored

NRRD = b"NRRD000"
TYPES = {
    "i1": ("signed char", "int8", "int8_t"),
    "u1": ("uchar", "unsigned char", "uint8", "uint8_t"),
    "i2": ("short", "short int", "signed short", "signed short int", "int16", "int16_t"),
    "u2": ("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"),
    "i4": ("int", "signed int", "int32", "int32_t"),
    "u4": ("uint", "unsigned int", "uint32", "uint32_t"),
    "i8": ("longlong", "long long", "long long int", "signed long long", "int64", "int64_t"),
    "u8": ("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"),
    "f4": ("float",),
    "f8": ("double",),
}
DOMAINS = {"domain", "space", "time", "???", "none"}  # kinds of axes along which voxels lie
ORIENTED = set(  # spaces whose axes are the patient's
    "left-posterior-superior lps right-anterior-superior ras left-anterior-superior las".split()
)


def nrrd_stored(path: Path) -> Stored:
    """Where a NRRD file, attached or detached (.nhdr), has its voxels.

    Raises InputError for a damaged header, for encodings other than raw and gzip, and where the
    values of a voxel do not lie side by side.
    """
    fields, offset = _fields(path)
    try:
        kind = next(code for code, names in TYPES.items() if fields["type"] in names)
        count = math.prod(int(size) for size in fields["sizes"].split())
        skip = int(fields.get("byteskip", "0"))
        encoding, name = fields["encoding"], fields.get("datafile")
    except (KeyError, ValueError, StopIteration) as error:
        raise InputError(f"{path} has a NRRD header that is damaged: copy it again") from error
    whole = name is None or not ("%" in name or name.startswith("LIST"))
    plain = skip >= 0 and fields.get("lineskip", "0") == "0"
    plain &= set(fields.get("kinds", "").split()[1:]) <= DOMAINS
    if encoding not in ("raw", "gzip", "gz") or not whole or not plain or count <= 0:
        raise InputError(f"{path} is NRRD of a rare kind: save it again as one raw or gzip .nrrd")
    packed = encoding != "raw"
    little = fields.get("endian", sys.byteorder) == "little"
    dtype = np.dtype(("<" if little else ">") + kind)
    file, offset = (path, offset) if name is None else (path.parent / name, 0)
    offset, start = (offset, skip) if packed else (offset + skip, 0)
    oriented = fields.get("space", "").removesuffix("-time") in ORIENTED
    return Stored("NrrdImageIO", path, file, dtype, count, offset, oriented, packed, start)


def _fields(path: Path) -> tuple[dict[str, str], int]:
    """The fields, their names without blanks, and where the header ends."""
    fields = {}
    with open(path, "rb") as file:
        while line := file.readline().decode("latin-1").rstrip("\r\n"):
            name, separator, value = line.partition(": ")
            if separator and line[0] != "#":
                name, value = name.lower().replace(" ", ""), value.strip()
                fields[name] = value if name == "datafile" else value.lower()
        return fields, file.tell()
