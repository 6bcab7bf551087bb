"""What the values of a label map mean: lymph nodes, other classes, voxels to be ignored."""

from __future__ import annotations

import operator
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from LNGenLib.errors import InputError

NODE, IGNORED = 1, 2  # in label maps that LNGen writes for training
LYMPH_NODE_NAMES = ("lymphnode", "ln", "node")  # lower case, letters alone, one of them


@dataclass(frozen=True)
class Meaning:
    """What the values of a label map mean.

    `nodes` are those of lymph nodes; without any, all but 0 and `ignore` are. Voxels of the value
    `ignore` are neither lymph nodes nor free of them. `others` are the values of other classes.
    `name` is what the lymph nodes are called, where a data set tells it.
    """

    nodes: tuple[int, ...] = ()
    ignore: int | None = None
    others: tuple[int, ...] = ()
    name: str | None = None

    @property
    def odd(self) -> bool:
        """Whether the lymph nodes have a name that is no lymph node's."""
        return self.name is not None and _key(self.name) not in LYMPH_NODE_NAMES

    def read(self, labels: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray | None]:
        """Lymph nodes (z, y, x), 0 elsewhere, and what is ignored (z, y, x, bool), or None.

        Lymph nodes are 1 where they are a class, else they keep their values, which may be
        instances. Raises InputError, which names the file, for a value without meaning.
        """
        ignored = None if self.ignore is None else labels == self.ignore
        if not self.nodes:
            return labels if ignored is None else labels * ~ignored, ignored
        is_node = np.isin(labels, self.nodes)
        known = is_node | (labels == 0) | np.isin(labels, self.others)
        unknown = labels[~known if ignored is None else ~known & ~ignored]
        if len(unknown):
            raise InputError(
                f"{name} holds {unknown[0]}, which dataset.json gives no class: correct one of them"
            )
        return is_node.astype(labels.dtype), ignored


def read_meaning(labels: Any, wanted: Sequence[str], source: Path) -> Meaning:
    """The meaning that `labels` of a dataset.json tell, by nnU-Net (name: value or values) or by
    MSD (value: name).

    Lymph nodes are the classes `wanted`; else the one that is called so, or the only one. Raises
    InputError, with the list of classes, where none is.
    """
    classes = _classes(labels, source)
    ignored = next((classes.pop(name) for name in list(classes) if _key(name) == "ignore"), ())
    ignore = ignored[0] if ignored else None
    if not classes:
        if wanted:
            raise InputError(f"{source} names no class but the background: leave out --class")
        return Meaning(ignore=ignore)
    chosen = _chosen(classes, wanted, source)
    nodes = sorted({value for name in chosen for value in classes[name]})
    others = sorted({value for values in classes.values() for value in values} - set(nodes))
    name = chosen[0] if len(chosen) == 1 else None
    return Meaning(tuple(nodes), ignore, tuple(others), name)


def _chosen(classes: dict[str, tuple[int, ...]], wanted: Sequence[str], source: Path) -> list[str]:
    listed = ", ".join(classes)
    unknown = [name for name in wanted if _key(name) not in map(_key, classes)]
    if unknown:
        raise InputError(f"{source} has no class {unknown[0]}: it has {listed}")
    if wanted:
        return [name for name in classes if _key(name) in map(_key, wanted)]
    called = [name for name in classes if _key(name) in LYMPH_NODE_NAMES] or list(classes)
    if len(called) > 1:
        raise InputError(
            f"{source} has the classes {listed}: say which are lymph nodes (--class NAME), or give "
            "the folder of its images alone"
        )
    return called


def _classes(labels: Any, source: Path) -> dict[str, tuple[int, ...]]:
    """The values of each class but the background."""
    classes = {}
    try:
        for key, value in (labels or {}).items():
            name, values = (value, int(key)) if isinstance(value, str) else (key, value)
            values = tuple(map(operator.index, values if isinstance(values, list) else [values]))
            if _key(name) != "background" and values != (0,):
                classes[name] = values
    except (AttributeError, TypeError, ValueError) as error:
        raise InputError(f'{source}: labels are no {{"lymph node": 1}}: correct them') from error
    return classes


def _key(name: str) -> str:
    """How a class's name is compared: in lower case, its letters alone, without a plural's s."""
    return re.sub(r"[\W_]+", "", name.lower()).removesuffix("s")


def label_map(nodes: np.ndarray, ignored: np.ndarray | None) -> np.ndarray:
    """1 in `nodes` (not 0), 2 in what is `ignored` of the rest, all (z, y, x); uint8."""
    labels = (nodes > 0).astype(np.uint8) * NODE
    if ignored is not None:
        labels[(labels == 0) & (ignored > 0)] = IGNORED
    return labels


def written_labels(ignore: bool) -> dict[str, int]:
    """What the values of `label_map` mean, as dataset.json tells it."""
    return {"background": 0, "lymph node": NODE} | ({"ignore": IGNORED} if ignore else {})
