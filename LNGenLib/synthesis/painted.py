"""A plan as it was painted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from LNGenLib.image.pieces import Piece
from LNGenLib.synthesis.plan import Plan
from LNGenLib.synthesis.result import LymphNodeRecord

if TYPE_CHECKING:
    from LNGenLib.structure.lymph_node import LymphNode


@dataclass(frozen=True, eq=False)
class Painted:
    """A plan as it was painted: of each of its lymph nodes, in their order, the piece of the CT
    that it changed, and its record; and how they came about. A node that two plans have in common
    is the same piece in both. `lymph_nodes` are their surfaces, where they are known."""

    plan: Plan
    pieces: tuple[Piece, ...] = ()
    records: tuple[LymphNodeRecord, ...] = ()
    provenance: dict[str, Any] = field(default_factory=dict)
    lymph_nodes: tuple[LymphNode, ...] = ()
