"""Segmentation of lymph nodes, trained on real and synthetic data."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from LNGenLib.segmentation.transform import SynthesizeLymphNodesd

__all__ = ["SynthesizeLymphNodesd"]


def __getattr__(name: str):
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from LNGenLib.segmentation.transform import SynthesizeLymphNodesd

    return SynthesizeLymphNodesd
