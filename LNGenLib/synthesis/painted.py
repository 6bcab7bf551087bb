"""A plan as it was painted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from LNGenLib.image.pieces import Piece
from LNGenLib.synthesis.plan import Plan, Surface
from LNGenLib.synthesis.result import LymphNodeRecord

if TYPE_CHECKING:
    from LNGenLib.structure.lymph_node import LymphNode


@dataclass(frozen=True, eq=False)
class Painted:
    """A plan as it was painted: of each of its lymph nodes, in their order, the piece of the CT
    that it changed, and its record; and how they came about. A node that two plans have in common
    is the same piece in both. `surfaces` are what the nodes look like; `lymph_nodes` have them on
    the CT's grid, where they were painted here."""

    plan: Plan
    pieces: tuple[Piece, ...] = ()
    records: tuple[LymphNodeRecord, ...] = ()
    surfaces: tuple[Surface, ...] = ()
    provenance: dict[str, Any] = field(default_factory=dict)
    lymph_nodes: tuple[LymphNode, ...] = ()
