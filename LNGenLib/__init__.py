"""LNGenLib: synthetic lymph nodes for CT (LN-Gen), the library behind the 3D Slicer extension.

The names below are its public face. Importing this package is cheap: each of them, and with it
torch, monai or SimpleITK, loads on first use.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from LNGenLib.image.io import read_ct as read_ct
    from LNGenLib.scan import Scan as Scan
    from LNGenLib.structure.shape_range import ShapeRange as ShapeRange
    from LNGenLib.structure.sizes import Sizes as Sizes
    from LNGenLib.synthesis.engine import paint as paint
    from LNGenLib.synthesis.engine import plan as plan
    from LNGenLib.synthesis.engine import synthesize as synthesize
    from LNGenLib.synthesis.models import Models as Models
    from LNGenLib.synthesis.request import SynthesisRequest as SynthesisRequest
    from LNGenLib.synthesis.session import Session as Session

__version__ = "0.1.0"

_FACE = {
    "image.io": ("read_ct",),
    "scan": ("Scan",),
    "structure.shape_range": ("ShapeRange",),
    "structure.sizes": ("Sizes",),
    "synthesis.engine": ("paint", "plan", "synthesize"),
    "synthesis.models": ("Models",),
    "synthesis.request": ("SynthesisRequest",),
    "synthesis.session": ("Session",),
}
__all__ = [name for names in _FACE.values() for name in names]


def __getattr__(name: str) -> Any:
    for module, names in _FACE.items():
        if name in names:
            return getattr(importlib.import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
