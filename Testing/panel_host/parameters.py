"""Stand-in of `slicer.parameterNodeWrapper`: typed access to a parameter node, bound to widgets.

Slicer's text form: numbers, texts and paths by `str`, enumerations by name, a node as a reference
beside an empty parameter, a pack's members as `pack.member`, a choice among types as `name.INDEX`.
https://slicer.readthedocs.io/en/latest/developer_guide/parameter_nodes/overview.html
"""

from __future__ import annotations

import enum
import functools
import logging
import pathlib
import types
import typing
from dataclasses import dataclass

import slicer
import vtk
from PySide6 import QtWidgets

from panel_host import connectors
from panel_host.connectors import Default, connector, node_classes, split
from panel_host.pythonqt import NotInHost

Node = "slicer.vtkMRMLScriptedModuleNode"
PROPERTY = "SlicerParameterName"
NOTHING = type(None)
SIMPLE = int, float, str, bool, pathlib.Path, NOTHING


def _choices(kind: type) -> tuple[type, ...]:
    """The types of a choice among types."""
    is_choice = typing.get_origin(kind) in (typing.Union, types.UnionType)
    return typing.get_args(kind) if is_choice else ()


def _initial(kind: type) -> object:
    choices = _choices(kind)
    if len(choices) == 2 and choices[1] is NOTHING or not choices and node_classes(kind):
        return None
    if choices:
        return _initial(choices[0])
    if isinstance(kind, enum.EnumMeta):
        return next(iter(kind))
    if kind in SIMPLE or hasattr(kind, "allParameters"):
        return kind()
    raise NotInHost(f"a parameter of type {kind}")


def _is(kind: type, value: object) -> bool:
    if choices := _choices(kind):
        return any(isinstance(value, each) for each in choices)
    optional = (NOTHING,) if node_classes(kind) else ()
    return isinstance(value, (int, float) if kind is float else (kind, *optional))


def _has(kind: type, node: Node, name: str) -> bool:
    if choices := _choices(kind):
        return any(_has(each, node, f"{name}.{k}") for k, each in enumerate(choices))
    for member, parameter in getattr(kind, "allParameters", {}).items():
        return _has(parameter.kind, node, f"{name}.{member}")  # Slicer looks for the first only
    return node.HasParameter(name)


def _read(kind: type, node: Node, name: str) -> object:
    for k, each in enumerate(_choices(kind)):
        if _has(each, node, f"{name}.{k}"):
            return _read(each, node, f"{name}.{k}")
    if hasattr(kind, "allParameters"):
        pack, values = object.__new__(kind), {}
        for member, parameter in kind.allParameters.items():
            value = _read(parameter.kind, node, f"{name}.{member}")
            parameter.check(value)
            values[member] = value
        pack.__dict__.update(_values=values, _save=lambda: _write(kind, node, name, pack))
        return pack
    if node_classes(kind):
        return node.GetNodeReference(name)
    text = node.GetParameter(name)
    if isinstance(kind, enum.EnumMeta):
        if text not in kind.__members__:
            raise ValueError(f"{text!r} is no name in {kind!r}")
        return kind[text]
    return None if kind is NOTHING else text == "True" if kind is bool else kind(text)


def _write(kind: type, node: Node, name: str, value: object) -> None:
    with slicer.util.NodeModify(node):
        if choices := _choices(kind):
            for k in range(len(choices)):
                node.UnsetParameter(f"{name}.{k}")
                node.RemoveNodeReferenceIDs(f"{name}.{k}")
            k = next(k for k, each in enumerate(choices) if isinstance(value, each))
            _write(choices[k], node, f"{name}.{k}", value)
        elif hasattr(kind, "allParameters"):
            for member, parameter in kind.allParameters.items():
                _write(parameter.kind, node, f"{name}.{member}", value._values[member])
        elif node_classes(kind):
            node.SetParameter(name, "")
            node.SetNodeReferenceID(name, value.GetID() if value is not None else None)
        else:
            node.SetParameter(name, value.name if isinstance(value, enum.Enum) else str(value))


@dataclass
class Parameter:
    """A declared parameter: its full type, that without annotations, what it starts with."""

    unalteredType: type
    kind: type
    default: object

    def check(self, value: object) -> None:
        if not _is(self.kind, value):
            raise TypeError(f"{value!r} is no {self.kind}")
        for each in split(self.unalteredType)[1]:
            if hasattr(each, "validate"):
                each.validate(value)


def _declare(owner: type, member: typing.Callable[[str, Parameter], property]) -> None:
    """Make properties of a class's parameters; whatever Slicer makes no use of is warned of."""
    owner.allParameters = {}
    for name, full in typing.get_type_hints(owner, include_extras=True).items():
        kind, notes = split(full)
        unused = [one for one in notes if not hasattr(one, "validate")]
        if hasattr(owner, name):
            default = getattr(owner, name)
        else:
            given = [one.value for one in unused if isinstance(one, Default)]
            default = given[0] if given else _initial(kind)
            unused = [one for one in unused if not isinstance(one, Default)]
        if unused:
            logging.warning("Unused annotations of %s.%s: %s", owner.__name__, name, unused)
        parameter = owner.allParameters[name] = Parameter(full, kind, default)
        parameter.check(default)
        setattr(owner, name, member(name, parameter))
    owner.dataType = classmethod(_data_type)
    owner.getValue, owner.setValue = _value, _set_value


def _data_type(owner: type, name: str) -> type:
    top, _, rest = name.partition(".")
    if top not in owner.allParameters:
        raise ValueError(f"{owner.__name__} has no parameter {top}")
    parameter = owner.allParameters[top]
    return parameter.kind.dataType(rest) if rest else parameter.unalteredType


def _value(self: object, name: str) -> object:
    self.dataType(name)
    return functools.reduce(getattr, name.split("."), self)


def _set_value(self: object, name: str, value: object) -> None:
    self.dataType(name)
    *path, last = name.split(".")
    setattr(functools.reduce(getattr, path, self), last, value)


def parameterPack(owner: type) -> type:
    """Class decorator: parameters that go together. A pack that was read of a node is a copy of
    what was there, and writes all of its values once one is set."""

    def member(name: str, parameter: Parameter) -> property:
        def write(self: object, value: object) -> None:
            parameter.check(value)
            self.__dict__.setdefault("_values", {})[name] = value
            self.__dict__.get("_save", bool)()

        return property(lambda self: self._values[name], write)

    def initialize(self: object, *values: object, **named: object) -> None:
        given = dict(zip(owner.allParameters, values)) | named
        for name, parameter in owner.allParameters.items():
            setattr(self, name, given.pop(name, parameter.default))
        if given:
            raise TypeError(f"{owner.__name__} has no {', '.join(given)}")

    def set_known(self: object, name: str, value: object) -> None:
        if not hasattr(owner, name):
            raise AttributeError(f"{owner.__name__} has no {name}")
        object.__setattr__(self, name, value)

    _declare(owner, member)
    if "__init__" not in vars(owner):
        owner.__init__ = initialize
    owner.__setattr__ = set_known
    owner.__eq__ = lambda self, other: isinstance(other, owner) and self._values == other._values
    owner.__repr__ = lambda self: f"{owner.__name__}({self._values})"
    return owner


@parameterPack
class FloatRange:
    _minimum: float
    _maximum: float

    def __init__(self, minimum: float = 0, maximum: float = 0) -> None:
        self.setRange(minimum, maximum)

    def setRange(self, minimum: float, maximum: float) -> None:
        if not minimum <= maximum:
            raise ValueError(f"FloatRange must have minimum <= maximum: {minimum} <= {maximum}")
        self.__dict__.setdefault("_values", {})["_minimum"] = minimum  # both are saved at once
        self._maximum = maximum

    minimum = property(
        lambda self: self._minimum, lambda self, value: self.setRange(value, self._maximum)
    )
    maximum = property(
        lambda self: self._maximum, lambda self, value: self.setRange(self._minimum, value)
    )


class _Wrapper:
    """What every wrapper class gets."""

    def __init__(self, parameterNode: Node) -> None:
        self.parameterNode, self._guis, self._showing = parameterNode, {}, False
        for name, parameter in self.allParameters.items():
            if not _has(parameter.kind, parameterNode, name):
                setattr(self, name, parameter.default)
            getattr(self, name)  # Slicer reads all at once: what can't be read raises here

    def connectGui(self, gui: object) -> int:
        is_widget = hasattr(gui, "findChildren")
        widgets = gui.findChildren(QtWidgets.QWidget) if is_widget else vars(gui).values()
        named = {widget.property(PROPERTY): widget for widget in widgets}
        named.pop(None, None)
        bound = {name: connector(each, self.dataType(name)) for name, each in named.items()}

        def show(*_: object) -> None:
            if self._showing:
                return
            self._showing = True
            try:
                with slicer.util.NodeModify(self):
                    for name, each in bound.items():
                        each.write(self.getValue(name))
            finally:
                self._showing = False

        def take(name: str) -> None:
            with slicer.util.NodeModify(self):
                if not self._showing:
                    self.setValue(name, bound[name].read())

        for name, each in bound.items():
            each.write(self.getValue(name))
            each.connect(lambda name=name: take(name))
        tag = max(self._guis, default=0) + 1
        self._guis[tag] = bound, self.AddObserver(vtk.vtkCommand.ModifiedEvent, show)
        return tag

    def disconnectGui(self, tag: int) -> None:
        bound, observer = self._guis.pop(tag, ({}, None))
        for each in bound.values():
            each.disconnect()
        if observer is not None:
            self.RemoveObserver(observer)


def parameterNodeWrapper(owner: type) -> type:
    """Class decorator: the parameters of a module, bound to a parameter node and to widgets."""

    def member(name: str, parameter: Parameter) -> property:
        def write(self: _Wrapper, value: object) -> None:
            parameter.check(value)
            _write(parameter.kind, self.parameterNode, name, value)

        return property(lambda self: _read(parameter.kind, self.parameterNode, name), write)

    def of_node(name: str) -> typing.Callable:
        return lambda self, *values: getattr(self.parameterNode, name)(*values)

    _declare(owner, member)
    for name in ("__init__", "connectGui", "disconnectGui"):
        setattr(owner, name, getattr(_Wrapper, name))
    for name in ("StartModify", "EndModify", "Modified", "AddObserver", "RemoveObserver"):
        setattr(owner, name, of_node(name))
    return owner


PUBLIC = {name: getattr(connectors, name) for name in ("Decimals", "RangeBounds", "WithinRange")}
PUBLIC |= {one.__name__: one for one in (Default, FloatRange, parameterNodeWrapper, parameterPack)}
