"""The arms of Table I."""

from enum import Enum

SCANS = 2  # synthetic scans for each real one, in every arm but the first


class Arm(str, Enum):
    """What the training set holds besides the real scans."""

    real = "real only"
    copies = "copy-paste"
    difftumor = "DiffTumor-style"
    lngen = "LN-Gen"
    uniform = "LN-Gen, uniform sizes"
    filtered = "LN-Gen filtered"

    @property
    def sizes(self) -> str:
        """The distribution of long axes."""
        return "uniform" if self is Arm.uniform else "clinical"
