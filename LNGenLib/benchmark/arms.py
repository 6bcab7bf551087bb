"""The arms of Table I."""

from enum import Enum


class Arm(str, Enum):
    """What the training set holds besides the real scans."""

    real = "real only"
    copies = "copy-paste"
    difftumor = "DiffTumor-style"
    lngen = "LN-Gen"
    clinical = "LN-Gen, clinical sizes"
    filtered = "LN-Gen filtered"
