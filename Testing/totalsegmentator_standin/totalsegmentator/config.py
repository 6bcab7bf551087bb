"""As in TotalSegmentator 2.18.0."""

from __future__ import annotations

import os
from pathlib import Path


def get_totalseg_dir() -> Path:
    """Where settings lie."""
    return Path(os.environ.get("TOTALSEG_HOME_DIR", Path.home() / ".totalsegmentator"))


def get_weights_dir() -> Path:
    """Where weights lie."""
    own = os.environ.get("TOTALSEG_WEIGHTS_PATH")
    return Path(own) if own else get_totalseg_dir() / "nnunet/results"
