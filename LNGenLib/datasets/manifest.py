"""What makes a synthetic data set, and its manifest.json: what all cases share, a line a case."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from LNGenLib import __version__
from LNGenLib.datasets.case import Case
from LNGenLib.datasets.writing import LAYOUTS, Writer
from LNGenLib.errors import InputError
from LNGenLib.files import json_field, read_json, write_json
from LNGenLib.structure.sizes import Sizes
from LNGenLib.synthesis.models import Models
from LNGenLib.synthesis.plan import count_by_size
from LNGenLib.synthesis.request import HARDLY_SEEN, MOST_NODES, check_conspicuity
from LNGenLib.validation import as_python, whole

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class DatasetSettings:
    """What makes a synthetic data set; each case depends on it and its number alone.

    A case gets `count` (fewest, most) lymph nodes, fewer where they find no room or are less than
    `least_conspicuity`, as bright as its real ones where they are labeled.
    """

    seed: int = 0
    count: tuple[int, int] = (1, 10)
    sizes: Sizes = Sizes()
    texture_steps: int = 6
    layout: str = "nnunet"
    least_conspicuity: float = HARDLY_SEEN

    def __post_init__(self):
        whole(self.seed, "seed")
        check_conspicuity(self.least_conspicuity)
        low, high = (whole(value, "count") for value in self.count)
        as_python(self)
        if not 1 <= low <= high <= MOST_NODES:
            raise InputError(f"count {low} to {high}: give MIN <= MAX within 1 to {MOST_NODES}")
        if self.layout not in LAYOUTS:
            raise InputError(f"layout {self.layout}: give {' or '.join(LAYOUTS)}")

    def writer(self, folder: Path) -> Writer:
        """What writes cases of the layout into a folder."""
        return LAYOUTS[self.layout](folder)


def write_manifest(writer: Writer, shared: dict[str, Any]) -> dict[str, dict[str, str]]:
    """Write manifest.json of the cases that are there, and what the layout wants beside it.

    Returns of each case the sources that were left out when it was made, and why. Raises
    InputError, which names the file, for a record of another version.
    """
    rows, left_out = [], {}
    for file in writer.records():
        about = read_json(file)
        read = partial(json_field, file=file, make="remove it, and the case is made again")
        names = ("id", "patient", "source", "real_lymph_nodes")
        row = {name: read(about, name) for name in names}
        row["seed"] = read(about, "provenance", "request", "seed")
        row["long_axes_mm"] = [read(one, "long_axis_mm") for one in read(about, "records")]
        row["no_room_mm"] = read(about, "provenance", "plan", "refused_mm")
        row["hardly_seen_mm"] = read(about, "provenance", "plan", "unseen_mm")
        rows.append(row)
        left_out[row["id"]] = about.get("left_out", {})
    every = {name: why for one in left_out.values() for name, why in one.items()}
    unseen = count_by_size([mm for row in rows for mm in row["hardly_seen_mm"]])
    shared = shared | {"left_out": every, "hardly_seen": unseen}
    content = {"synthetic": True, **shared, "cases": rows}
    write_json(content, writer.folder / MANIFEST)
    writer.finish()
    return left_out


def shared_by_all(
    settings: DatasetSettings, sources: Sequence[Case], anatomy: Path | None, models: Models
) -> dict[str, Any]:
    """What all cases of a data set share, as JSON gives it back."""
    shared = {
        "software": f"LNGen {__version__}",
        "settings": dataclasses.asdict(settings),
        "sources": [case.id for case in sources],
        "anatomy": "given" if anatomy or all(case.anatomy for case in sources) else "from HU",
        "weights": {
            "structure": models.structure.description["sha256"],
            "texture": models.texture.description["sha256"],
        },
    }
    return json.loads(json.dumps(shared))


def begun(output: Path, shared: dict[str, Any]) -> dict[str, Any]:
    """`shared`, with the sources of the data set that was begun in the folder, which may be more.

    InputError where it holds another data set, or other files.
    """
    manifest = output / MANIFEST
    if not manifest.exists():
        if output.is_dir() and any(output.glob("[!.]*")):
            raise InputError(f"{output} holds other files: give an empty folder, or a new one")
        return shared
    before = read_json(manifest)
    same = {
        name: json_field(before, name, file=manifest, make="give a new folder") == value
        for name, value in shared.items()
    }
    sources = before["sources"]
    same["sources"] = set(shared["sources"]) <= set(sources)
    for name, equal in same.items():
        if not equal:
            raise InputError(
                f"{output} holds a data set of other {name}: go on with those, or give a new folder"
            )
    return shared | {"sources": sources}
