"""Seeds: every random draw belongs to one lymph node and one purpose."""

from __future__ import annotations

import hashlib

import numpy as np


def node_seed(seed: int, number: int, purpose: str) -> int:
    """A 63-bit seed for one purpose of lymph node `number` of a request, so that a node can be
    drawn again alone."""
    digest = hashlib.sha256(f"{seed}/{number}/{purpose}".encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


def node_rng(seed: int, number: int, purpose: str) -> np.random.Generator:
    """numpy's generator for `node_seed`."""
    return np.random.default_rng(node_seed(seed, number, purpose))
