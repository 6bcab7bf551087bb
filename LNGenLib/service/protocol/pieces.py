"""The part of a live edit that travels back: the pieces of lymph nodes that are new."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from LNGenLib.errors import InputError
from LNGenLib.image.pieces import Piece
from LNGenLib.service.protocol.boxes import read_arrays
from LNGenLib.synthesis.painted import Painted
from LNGenLib.synthesis.plan import Plan, Surface
from LNGenLib.synthesis.result import LymphNodeRecord

TYPES = {"hu": np.int16, "label": np.bool_, "changed": np.bool_}
MOST = 1 << 28  # bytes of a reply, unpacked
WRONG = "the server's reply does not fit the CT: ask again"


def write_pieces(painted: Painted, shown: Painted, path: Path) -> dict[str, Any]:
    """Write the pieces of `painted` that are not `shown` as .npz; the JSON that goes with them.

    The piece of lymph node k is the arrays hu_k (int16), label_k and changed_k (bool), and starts
    (z, y, x) where the JSON's `starts` says; vertices_k and faces_k are its surface.
    """
    arrays: dict[str, Any] = {}
    starts = {}
    each = zip(painted.plan.nodes, painted.pieces, painted.surfaces, strict=True)
    for node, piece, surface in each:
        if piece not in shown.pieces:
            k = node.number
            starts[str(k)] = [part.start for part in piece.box]
            arrays |= {f"{n}_{k}": getattr(piece, n).astype(kind) for n, kind in TYPES.items()}
            arrays |= {f"vertices_{k}": surface.vertices, f"faces_{k}": surface.faces}
    np.savez(path, **arrays)
    return {
        "synthetic": True,
        "plan": dataclasses.asdict(painted.plan),
        "records": [dataclasses.asdict(record) for record in painted.records],
        "provenance": painted.provenance,
        "starts": starts,
    }


def read_pieces(
    content: bytes, reply: dict[str, Any], shown: Painted, shape: tuple[int, ...]
) -> Painted:
    """What `write_pieces` wrote, with the pieces that are `shown` already, for a CT of a `shape`
    (z, y, x); InputError where it fits neither."""
    arrays, plan = read_arrays(content, MOST), Plan.from_json(reply["plan"])
    numbers = [node.number for node in shown.plan.nodes]
    known = dict(zip(numbers, zip(shown.pieces, shown.surfaces)))
    for number, start in reply["starts"].items():
        known[int(number)] = _piece(arrays, number, start, shape), _surface(arrays, number)
    if not all(node.number in known for node in plan.nodes):
        raise InputError(WRONG)
    pieces, surfaces = zip(*(known[node.number] for node in plan.nodes))
    records = tuple(LymphNodeRecord.from_json(values) for values in reply["records"])
    return Painted(plan, pieces, records, surfaces, reply["provenance"])


def _surface(arrays: dict[str, np.ndarray], number: str) -> Surface:
    vertices, faces = arrays.get(f"vertices_{number}"), arrays.get(f"faces_{number}")
    if vertices is None or faces is None:
        raise InputError(WRONG)
    return Surface(vertices, faces)


def _piece(
    arrays: dict[str, np.ndarray], number: str, start: list[int], shape: tuple[int, ...]
) -> Piece:
    found = [arrays.get(f"{name}_{number}") for name in TYPES]
    hu, label, changed = found
    if (
        hu is None
        or label is None
        or changed is None
        or any(one.dtype != kind for one, kind in zip((hu, label, changed), TYPES.values()))
        or not hu.shape == label.shape == changed.shape
        or not hu.ndim == len(start) == 3
        or any(not 0 <= a <= size - n for a, n, size in zip(start, hu.shape, shape))
    ):
        raise InputError(WRONG)
    z, y, x = (slice(a, a + n) for a, n in zip(start, hu.shape))
    return Piece((z, y, x), hu, label, changed)
