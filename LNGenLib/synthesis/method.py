"""How lymph nodes are made."""

from enum import Enum


class Method(str, Enum):
    """LN-Gen's way, or DiffTumor's, to compare with."""

    lngen = "lngen"
    difftumor = "difftumor"
