"""Whether a lymph node looks benign or suspicious, and what that means for its shape and tissue.

Where figures come from, and which are assumed: docs/users.md, "Benign or suspicious".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from LNGenLib.errors import InputError
from LNGenLib.randomness import node_rng
from LNGenLib.structure.shape_range import ANY
from LNGenLib.synthesis.request import BENIGN, SUSPICIOUS, SynthesisRequest

NONE = 0.0
HILUM_SHARES = ((5.0, 0.05), (10.0, 0.25), (np.inf, 0.45))  # of the benign nodes below so many mm
# So many of the suspicious nodes below so many mm; irregular small ones no scan would show
IRREGULAR_SHARES = ((5.0, NONE), (np.inf, 0.5))
NECROSIS_SHARES = ((8.0, NONE), (15.0, 0.05), (np.inf, 0.2))
AXIS_RATIO = {BENIGN: (0.0, 0.7), SUSPICIOUS: (0.82, 1.0)}
SMOOTH = (0.0, 0.03)  # irregularity; of those that are irregular, before they are lobulated
UNEVENNESS = {BENIGN: (5.0, 5.0), SUSPICIOUS: (10.0, 15.0)}  # HU, SD within a node


@dataclass(frozen=True)
class Appearance:
    """How a lymph node looks: as "benign" or "suspicious" ones do, None of DiffTumor's, and with
    which of the attributes that a report names."""

    appearance: str | None
    irregular: bool = False
    hilum: bool = False
    necrosis: bool = False

    def __post_init__(self):
        if self.appearance not in (None, BENIGN, SUSPICIOUS):
            raise InputError(f"appearance {self.appearance}: give {BENIGN} or {SUSPICIOUS}")


def draw_appearance(
    request: SynthesisRequest, number: int, long_axis: float, either: bool = True
) -> Appearance:
    """How lymph node `number` of this long axis (mm) looks; `either` benign or suspicious, or, as
    DiffTumor's are, neither."""
    seed, hilum, necrosis = request.seed, request.hilum, request.necrosis
    if not either:
        return Appearance(None, hilum=bool(_draw(seed, number, "hilum") < (hilum or NONE)))
    share = {BENIGN: 0.0, SUSPICIOUS: 1.0}.get(request.appearance, request.suspicious)
    suspicious = bool(_draw(seed, number, "appearance") < share)
    irregular = NONE  # where irregularity is asked for, the structure model meets it
    if suspicious and request.shape.irregularity == ANY:
        irregular = _of(IRREGULAR_SHARES, long_axis)
    if hilum is None:
        hilum = NONE if suspicious else _of(HILUM_SHARES, long_axis)
    if necrosis is None:
        necrosis = _of(NECROSIS_SHARES, long_axis) if suspicious else NONE
    return Appearance(
        SUSPICIOUS if suspicious else BENIGN,
        bool(_draw(seed, number, "irregular") < irregular),
        bool(_draw(seed, number, "hilum") < hilum),
        bool(_draw(seed, number, "necrosis") < necrosis),
    )


def draw_unevenness(appearance: str, seed: int, number: int) -> float:
    """SD in HU by which the tissue of lymph node `number` varies in space."""
    return float(node_rng(seed, number, "unevenness").uniform(*UNEVENNESS[appearance]))


def _draw(seed: int, number: int, purpose: str) -> float:
    return node_rng(seed, number, purpose).random()


def _of(shares: tuple[tuple[float, float], ...], long_axis: float) -> float:
    return next(share for limit, share in shares if long_axis < limit)
