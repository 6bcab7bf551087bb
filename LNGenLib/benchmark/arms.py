"""The arms of Table I."""

from enum import Enum

NODES = 11  # painted into each scan, as many as a scan of the paper's cohort has
SIZES = {"uniform": 6, "clinical": 5}  # nodes by the distribution of their long axes


class Arm(str, Enum):
    """What the training set holds besides the real scans."""

    real = "real only"
    copies = "copy-paste"
    difftumor = "DiffTumor-style"
    lngen = "LN-Gen"
    clinical = "LN-Gen, clinical sizes"
    filtered = "LN-Gen filtered"

    @property
    def sizes(self) -> dict[str, int]:
        """How many lymph nodes a scan gets of each distribution of long axes."""
        return {"clinical": NODES} if self is Arm.clinical else SIZES
