"""Stand-in of `slicer.parameterNodeWrapper`: typed access to a parameter node, bound to widgets."""

from __future__ import annotations

import typing
from collections.abc import Callable

import slicer
import vtk
from PySide6 import QtWidgets

from panel_host.annotations import Default, check, split
from panel_host.codecs import Node, Parameter, codec
from panel_host.connectors import connector

PROPERTY = "SlicerParameterName"


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
            gui.findChildren(QtWidgets.QWidget)
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
