"""Names of the labels in a NIfTI file, as TotalSegmentator 2 writes them into its header."""

from __future__ import annotations

import gzip
import re
import struct
from pathlib import Path

# of the header by its size in bytes: where it tells the first voxel's place, and how
FIRST_VOXEL = {348: (108, "f"), 540: (168, "q")}
MOST = 1 << 24  # bytes of a header that are looked at
LABEL = re.compile(
    rb'<Label\s[^>]*?Key="(\d{1,9})"[^>]*>\s*(?:<!\[CDATA\[)?([^<\]]*?)(?:\]\]>)?\s*</Label>'
)


def label_names(path: Path) -> dict[int, str]:
    """The names in a NIfTI file's header by label; none where it tells none.

    They stand in the table of labels of an extension in XML, as Connectome Workbench defines it.
    https://github.com/wasserth/TotalSegmentator/blob/master/totalsegmentator/nifti_ext_header.py
    """
    with open(path, "rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    with gzip.open(path) if packed else open(path, "rb") as file:
        head = file.read(544)
        for order in "<>":
            size = struct.unpack(f"{order}i", head[:4])[0] if len(head) == 544 else 0
            if size in FIRST_VOXEL:
                place, kind = FIRST_VOXEL[size]
                first = struct.unpack_from(order + kind, head, place)[0]
                rest = file.read(int(min(max(0, first - len(head)), MOST)))  # 0 where it is NaN
                found = LABEL.findall(head[size:] + rest)
                return {int(key): name.decode(errors="replace").strip() for key, name in found}
    return {}
