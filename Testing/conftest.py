"""What tests share: the real data where it is at hand, a small phantom, the shipped models."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real CTs and masks; tests that need it are skipped without."""
    if not SHARED.is_dir():
        pytest.skip(f"no real data at {SHARED}")
    return SHARED


@pytest.fixture(scope="session")
def phantom():
    """The pelvic phantom at 3 mm."""
    from LNGenLib.image.phantom import pelvic_phantom

    return pelvic_phantom(seed=1, spacing=(3.0, 3.0, 3.0))


@pytest.fixture(scope="session")
def models():
    """The shipped models on the CPU."""
    from LNGenLib.synthesis.engine import Models

    return Models("cpu")
