"""LNGenLib: synthetic lymph nodes for CT (LN-Gen), the library behind the 3D Slicer extension.

The names below are its public face. Importing this package is cheap: each of them, and with it
torch, monai or SimpleITK, loads on first use.
"""

import importlib
from typing import Any

__version__ = "0.1.0"

_FACE = {
    "Models": "synthesis.engine",
    "Scan": "placement.scan",
    "SynthesisRequest": "synthesis.records",
    "paint": "synthesis.engine",
    "plan": "synthesis.engine",
    "read_ct": "image.io",
    "synthesize": "synthesis.engine",
}
__all__ = [*_FACE]


def __getattr__(name: str) -> Any:
    if name not in _FACE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_FACE[name]}"), name)
