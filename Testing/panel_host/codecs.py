"""How the types of parameters are kept in a parameter node, in Slicer's text form.

Numbers, texts and paths by `str`, enumerations by name, a pack's members as `pack.member`, a choice
among types as `name.INDEX of the type`.
https://slicer.readthedocs.io/en/latest/developer_guide/parameter_nodes/overview.html
"""

from __future__ import annotations

import enum
import pathlib
import types
import typing
from dataclasses import dataclass

import slicer

from panel_host.annotations import Default, check, split
from panel_host.pythonqt import NotInHost

Node = "slicer.vtkMRMLScriptedModuleNode"
UNIONS = (typing.Union, types.UnionType)


class Scalar:
    """A number, text, path, boolean or enumeration, as one parameter."""

    def __init__(self, kind: type) -> None:
        self.kind = kind
        if isinstance(kind, enum.EnumMeta):
            self.initial, self.to_text, self.of_text = (
                next(iter(kind)),
                lambda v: v.name,
                kind.__getitem__,
            )
        elif kind is bool:
            self.initial, self.to_text, self.of_text = False, str, "True".__eq__
        else:
            self.initial, self.to_text, self.of_text = kind(), str, kind

    def accepts(self, value: object) -> bool:
        numeric = self.kind is float and type(value) is int
        return numeric or isinstance(value, self.kind)

    def has(self, node: Node, name: str) -> bool:
        return node.HasParameter(name)

    def read(self, node: Node, name: str) -> object:
        return self.of_text(node.GetParameter(name))

    def write(self, node: Node, name: str, value: object) -> None:
        node.SetParameter(name, self.to_text(value))

    def remove(self, node: Node, name: str) -> None:
        node.UnsetParameter(name)


class Nothing(Scalar):
    """None, in a choice among types."""

    def __init__(self) -> None:
        self.kind, self.initial = type(None), None

    def read(self, node: Node, name: str) -> None:
        return None

    def write(self, node: Node, name: str, value: None) -> None:
        node.SetParameter(name, "True")


class Reference(Scalar):
    """Another MRML node, as a reference beside an empty parameter."""

    def __init__(self, kind: type) -> None:
        self.kind, self.initial = kind, None

    def accepts(self, value: object) -> bool:
        return value is None or isinstance(value, self.kind)

    def read(self, node: Node, name: str) -> object:
        return node.GetNodeReference(name)

    def write(self, node: Node, name: str, value: object) -> None:
        node.SetParameter(name, "")
        node.SetNodeReferenceID(name, value.GetID() if value is not None else None)

    def remove(self, node: Node, name: str) -> None:
        node.UnsetParameter(name)
        node.RemoveNodeReferenceIDs(name)


class Either:
    """One of several types."""

    def __init__(self, kinds: tuple[type, ...]) -> None:
        self.codecs = [codec(kind) for kind in kinds]
        optional = len(kinds) == 2 and kinds[1] is type(None)
        self.initial = None if optional else self.codecs[0].initial

    def accepts(self, value: object) -> bool:
        return any(self._takes(each, value) for each in self.codecs)

    @staticmethod
    def _takes(each: Scalar, value: object) -> bool:
        return isinstance(value, each.kind)

    def _index(self, node: Node, name: str) -> int | None:
        found = (k for k, each in enumerate(self.codecs) if each.has(node, f"{name}.{k}"))
        return next(found, None)

    def has(self, node: Node, name: str) -> bool:
        return self._index(node, name) is not None

    def read(self, node: Node, name: str) -> object:
        k = self._index(node, name)
        return self.codecs[k].read(node, f"{name}.{k}")

    def write(self, node: Node, name: str, value: object) -> None:
        self.remove(node, name)
        k = next(k for k, each in enumerate(self.codecs) if self._takes(each, value))
        self.codecs[k].write(node, f"{name}.{k}", value)

    def remove(self, node: Node, name: str) -> None:
        for k, each in enumerate(self.codecs):
            each.remove(node, f"{name}.{k}")


class Members:
    """A parameter pack, as parameters of its members; read as a pack that writes through."""

    def __init__(self, kind: type) -> None:
        self.kind = kind

    @property
    def initial(self) -> object:
        return self.kind()

    def accepts(self, value: object) -> bool:
        return isinstance(value, self.kind)

    def has(self, node: Node, name: str) -> bool:
        first = next(iter(self.kind.allParameters))
        return self.kind.allParameters[first].codec.has(node, f"{name}.{first}")

    def read(self, node: Node, name: str) -> object:
        pack = object.__new__(self.kind)
        pack.__dict__["_place"] = (node, name)
        return pack

    def write(self, node: Node, name: str, value: object) -> None:
        members = {each: getattr(value, each) for each in self.kind.allParameters}
        for each, content in members.items():
            self.kind.allParameters[each].write(node, f"{name}.{each}", content)

    def remove(self, node: Node, name: str) -> None:
        for each, parameter in self.kind.allParameters.items():
            parameter.codec.remove(node, f"{name}.{each}")


def codec(kind: type) -> Scalar | Either | Members:
    """How a type is kept in a parameter node."""
    kind, _ = split(kind)
    if typing.get_origin(kind) in UNIONS:
        return Either(typing.get_args(kind))
    if kind is type(None):
        return Nothing()
    if getattr(kind, "allParameters", None):
        return Members(kind)
    if kind in (int, float, str, bool, pathlib.Path) or isinstance(kind, enum.EnumMeta):
        return Scalar(kind)
    if isinstance(kind, type) and issubclass(kind, slicer.vtkMRMLNode):
        return Reference(kind)
    raise NotInHost(f"a parameter of type {kind}")


@dataclass
class Parameter:
    """A declared parameter: its full type, how it is kept, what it starts with."""

    unalteredType: type
    codec: object
    default: Default

    def write(self, node: Node, name: str, value: object) -> None:
        if not self.codec.accepts(value):
            raise TypeError(f"{name} can't be {value!r}")
        check(self.unalteredType, value)
        with slicer.util.NodeModify(node):
            self.codec.write(node, name, value)
