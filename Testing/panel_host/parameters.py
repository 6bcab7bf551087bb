"""Stand-in of `slicer.parameterNodeWrapper`: typed access to a parameter node.

Parameters have Slicer's text form in the MRML node, so that scenes are saved as it saves them:
numbers, texts and paths by `str`, enumerations by name, a pack's members as `pack.member`, a
choice among types as `name.INDEX of the type`.
https://slicer.readthedocs.io/en/latest/developer_guide/parameter_nodes/overview.html
"""

from __future__ import annotations

import enum
import pathlib
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass

import slicer
import vtk

from panel_host.annotations import Default, check, split
from panel_host.connectors import connector
from panel_host.pythonqt import NotInHost

PROPERTY = "SlicerParameterName"
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


def _declared(owner: type) -> dict[str, Parameter]:
    parameters = {}
    for name, full in typing.get_type_hints(owner, include_extras=True).items():
        how = codec(full)
        if hasattr(owner, name):
            default = Default(getattr(owner, name))
        else:
            given = [each for each in split(full)[1] if isinstance(each, Default)]
            default = given[0] if given else Default(generator=lambda how=how: how.initial)
        parameters[name] = Parameter(full, how, default)
    return parameters


def _data_type(owner: type, name: str) -> type:
    top, _, rest = name.partition(".")
    if top not in owner.allParameters:
        raise ValueError(f"{owner.__name__} has no parameter {top}")
    full = owner.allParameters[top].unalteredType
    return _data_type(split(full)[0], rest) if rest else full


def _value(self: object, name: str) -> object:
    _data_type(type(self), name)
    for part in name.split("."):
        self = getattr(self, part)
    return self


def _set_value(self: object, name: str, value: object) -> None:
    _data_type(type(self), name)
    *path, last = name.split(".")
    for part in path:
        self = getattr(self, part)
    setattr(self, last, value)


def _give_access(owner: type, member: Callable[[str, Parameter], property]) -> None:
    owner.allParameters = _declared(owner)
    for name, parameter in owner.allParameters.items():
        setattr(owner, name, member(name, parameter))
    owner.dataType = classmethod(_data_type)
    owner.getValue, owner.setValue = _value, _set_value


def parameterPack(owner: type) -> type:
    """Class decorator: parameters that go together."""

    def member(name: str, parameter: Parameter) -> property:
        def read(self: object) -> object:
            if "_place" not in self.__dict__:
                return self.__dict__[f"_{name}_value"]
            node, pack = self._place
            return parameter.codec.read(node, f"{pack}.{name}")

        def write(self: object, value: object) -> None:
            if "_place" in self.__dict__:
                node, pack = self._place
                parameter.write(node, f"{pack}.{name}", value)
                return
            check(parameter.unalteredType, value)
            self.__dict__[f"_{name}_value"] = value

        return property(read, write)

    def initialize(self: object, *values: object, **named: object) -> None:
        named |= dict(zip(owner.allParameters, values))
        for name, parameter in owner.allParameters.items():
            setattr(self, name, named.pop(name, parameter.default.value))
        if named:
            raise TypeError(f"{owner.__name__} has no {', '.join(named)}")

    def equals(self: object, other: object) -> bool:
        return isinstance(other, owner) and all(
            getattr(self, name) == getattr(other, name) for name in owner.allParameters
        )

    def text(self: object) -> str:
        members = ", ".join(f"{name}={getattr(self, name)!r}" for name in owner.allParameters)
        return f"{owner.__name__}({members})"

    _give_access(owner, member)
    if "__init__" not in vars(owner):
        owner.__init__ = initialize
    owner.__eq__, owner.__repr__ = equals, text
    return owner


@parameterPack
class FloatRange:
    _minimum: float
    _maximum: float

    def __init__(self, minimum: float = 0, maximum: float = 0) -> None:
        self.setRange(minimum, maximum)

    def setRange(self, minimum: float, maximum: float) -> None:
        if minimum > maximum:
            raise ValueError(f"FloatRange must have minimum <= maximum: {minimum} <= {maximum}")
        self._minimum, self._maximum = minimum, maximum

    minimum = property(
        lambda self: self._minimum, lambda self, value: self.setRange(value, self._maximum)
    )
    maximum = property(
        lambda self: self._maximum, lambda self, value: self.setRange(self._minimum, value)
    )


def parameterNodeWrapper(owner: type) -> type:
    """Class decorator: the parameters of a module, bound to a parameter node and to widgets."""

    def member(name: str, parameter: Parameter) -> property:
        return property(
            lambda self: parameter.codec.read(self.parameterNode, self._prefix + name),
            lambda self, value: parameter.write(self.parameterNode, self._prefix + name, value),
        )

    _give_access(owner, member)
    for name in ("__init__", "default", "connectGui", "connectParametersToGui", "disconnectGui"):
        setattr(owner, name, getattr(_Wrapper, name))
    for name in ("StartModify", "EndModify", "AddObserver", "RemoveObserver", "Modified"):
        setattr(owner, name, _of_node(name))
    return owner


def _of_node(name: str) -> Callable:
    return lambda self, *values: getattr(self.parameterNode, name)(*values)


class _Wrapper:
    """What every wrapper class gets."""

    def __init__(self, parameterNode: Node, prefix: str | None = None) -> None:
        self.parameterNode, self._prefix = parameterNode, prefix or ""
        self._guis: dict[int, tuple[dict, int]] = {}
        self._updating = False
        for name, parameter in self.allParameters.items():
            if not parameter.codec.has(parameterNode, self._prefix + name):
                parameter.write(parameterNode, self._prefix + name, parameter.default.value)

    def default(self, name: str) -> Default:
        return self.allParameters[name].default

    def connectGui(self, gui: object) -> int:
        widgets = (
            gui.findChildren(slicer.qt.QWidget)
            if hasattr(gui, "findChildren")
            else vars(gui).values()
        )
        named = {widget.property(PROPERTY): widget for widget in widgets}
        named.pop(None, None)
        return self.connectParametersToGui(named)

    def connectParametersToGui(self, mapping: dict[str, object]) -> int:
        connectors = {
            name: connector(widget, self.dataType(name)) for name, widget in mapping.items()
        }

        def show(*_: object) -> None:
            if self._updating:
                return
            self._updating = True
            try:
                for name, each in connectors.items():
                    each.write(self.getValue(name))
            finally:
                self._updating = False

        def take(name: str) -> None:
            if not self._updating:
                with slicer.util.NodeModify(self):
                    self.setValue(name, connectors[name].read())

        show()
        for name, each in connectors.items():
            each.connect(lambda name=name: take(name))
        tag = max(self._guis, default=0) + 1
        self._guis[tag] = connectors, self.AddObserver(vtk.vtkCommand.ModifiedEvent, show)
        return tag

    def disconnectGui(self, tag: int) -> None:
        if tag in self._guis:
            connectors, observer = self._guis.pop(tag)
            for each in connectors.values():
                each.disconnect()
            self.RemoveObserver(observer)
