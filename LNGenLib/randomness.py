"""Seeds: every random draw belongs to one lymph node, or one case, and one purpose."""

from __future__ import annotations

import hashlib

import numpy as np


def node_seed(seed: int, number: int, purpose: str) -> int:
    """A 63-bit seed for one purpose of lymph node `number` of a request, so that a node can be
    drawn again alone."""
    return _hashed(f"{seed}/{number}/{purpose}")


def node_rng(seed: int, number: int, purpose: str) -> np.random.Generator:
    """numpy's generator for `node_seed`."""
    return np.random.default_rng(node_seed(seed, number, purpose))


def case_seed(seed: int, case: str, turn: int = 0) -> int:
    """A 63-bit seed for a case of a data set in its `turn`: an epoch, say, or another try."""
    return _hashed(f"{seed}/case {case}/{turn}")


def _hashed(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little") >> 1
