"""The page in which a radiologist answers a study: one HTML file that asks for nothing else.

`reader.html` is its template, with the style and the scripts beside it. Its policy lets it load
nothing and run no script but these, so that nothing leaves the browser.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from LNGenLib.errors import InputError
from LNGenLib.files import SOFTWARE, write_bytes

BLACK_HU = -275.0  # of gray 0
WHITE_HU = 362.5  # of gray 255
STEP_HU = (WHITE_HU - BLACK_HU) / 255  # 2.5: below what a display shows in the window
WINDOW_HU = (-175.0, 250.0)  # what the page shows from black to white at first
REACH_MM = 15.0  # how far one scrolls to either side of the middle


@dataclass(frozen=True)
class Crop:
    """A case of the study. The question is about what lies in the middle: voxel `n // 2` of the n
    along each axis.

    The page shows the name, which may not tell the answer. Every axis goes on for at least
    `REACH_MM` to both sides of the middle; as much as all crops of a study have is shown.
    """

    name: str
    voxels: np.ndarray  # uint8 (z, y, x), `as_gray`; z superior, y posterior, x to the left
    spacing: np.ndarray  # mm (z, y, x)

    def __post_init__(self) -> None:
        if self.voxels.dtype != np.uint8 or self.voxels.ndim != 3:
            raise InputError(f"{self.name}: give uint8 voxels (z, y, x), as as_gray makes them")
        if np.shape(self.spacing) != (3,) or not np.all(np.asarray(self.spacing) > 0):
            raise InputError(f"{self.name}: give a spacing (z, y, x) in mm")
        behind = np.array(self.voxels.shape) - 1 - np.array(self.voxels.shape) // 2
        reach = float((behind * self.spacing).min())
        if not reach >= REACH_MM:
            raise InputError(
                f"{self.name} reaches {reach:.1f} mm from its middle: cut it larger, "
                f"{REACH_MM:g} mm are scrolled through"
            )


def as_gray(hu: np.ndarray) -> np.ndarray:
    """HU of any shape as uint8 of the same: `STEP_HU` a step from `BLACK_HU` on, cut off at both
    ends."""
    steps = (np.asarray(hu, np.float64) - BLACK_HU) / STEP_HU
    return np.clip(np.rint(steps), 0, 255).astype(np.uint8)


def write_page(study: str, crops: Sequence[Crop], path: Path) -> None:
    """Write the page of a study, its cases in the order of `crops`.

    `study` identifies it: the page keeps the answers in the browser under this name, and they name
    it. Raises InputError without crops or where two have one name, OutputError where `path` can't
    be written.
    """
    if not crops:
        raise InputError("a study needs cases: give crops")
    twice = [name for name, times in Counter(crop.name for crop in crops).items() if times > 1]
    if twice:
        raise InputError(f"two crops are named {twice[0]}: give each a name of its own")
    here = files(__package__)
    style, planes, reader = (
        here.joinpath(name).read_text("utf-8") for name in ("reader.css", "planes.js", "reader.js")
    )
    parts = {
        "software": SOFTWARE,
        "policy": "; ".join(
            [
                "default-src 'none'",
                f"script-src {_hash(planes)} {_hash(reader)}",
                f"style-src {_hash(style)}",
                "base-uri 'none'",
                "form-action 'none'",
            ]
        ),
        "style": style,
        "planes": planes,
        "reader": reader,
        "study": _in_script(_content(study, crops)),
    }
    template = here.joinpath("reader.html").read_text("utf-8")
    page = re.sub(r"\{\{(\w+)\}\}", lambda place: parts[place[1]], template)  # in one go
    write_bytes(page.encode(), path)


def _content(study: str, crops: Sequence[Crop]) -> dict[str, Any]:
    """What the page's scripts read."""
    return {
        "study": study,
        "black": BLACK_HU,
        "white": WHITE_HU,
        "window": WINDOW_HU,
        "reach": REACH_MM,
        "cases": [
            {
                "name": crop.name,
                "shape": crop.voxels.shape,
                "spacing": [float(side) for side in crop.spacing],
                "voxels": b64encode(crop.voxels.tobytes()).decode(),
            }
            for crop in crops
        ],
    }


def _in_script(content: dict[str, Any]) -> str:
    """JSON that no text in it can end."""
    return json.dumps(content, separators=(",", ":")).replace("<", "\\u003c")


def _hash(text: str) -> str:
    """How a content security policy names an inline script or style."""
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"
