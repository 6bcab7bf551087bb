"""Loading torch and MONAI, which takes seconds, in as little time as can be."""

from __future__ import annotations

import gc
import importlib
import sys

# Optional packages of MONAI that take most of its time to load; LNGen's networks need none of them
UNUSED = ("jsonschema", "matplotlib", "psutil", "scipy.signal", "sklearn", "tensorboard")


def load_monai() -> None:
    """Load MONAI as if it were installed without those of its optional packages that take long.

    For a process of LNGen's own that draws lymph nodes: what MONAI does by these packages it can't
    do in this process. Others are free to import them.
    """
    if "monai" in sys.modules:
        return
    hidden: list[str] = []
    # An import makes a million objects that stay. To search them for cycles while it makes them,
    # and once more when the process ends, takes as long as a third of the import
    gc.disable()
    try:
        importlib.import_module("torch")  # with all that it finds
        hidden += [name for name in UNUSED if name not in sys.modules]
        for name in hidden:
            sys.modules[name] = None  # type: ignore[assignment]  # Python takes it as not there
        importlib.import_module("monai")
    finally:
        for name in hidden:
            del sys.modules[name]
        gc.freeze()
        gc.enable()
