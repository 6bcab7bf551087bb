"""PySide6 with the habits of PythonQt, through which scripted modules see Qt in 3D Slicer.

Properties are attributes (`button.text = "Run"`), signals connect by their signature
(`button.connect("clicked(bool)", f)`), and an attribute that an object lacks can't be set.
"""

from __future__ import annotations

import functools
import inspect
import re
import types
from collections.abc import Callable

import shiboken6
from PySide6 import QtCore, QtGui, QtWidgets
from PySide6.QtCore import SIGNAL, QMetaObject, QObject, SignalInstance

VIRTUAL = {"sizeHint", "minimumSizeHint"}  # read by shiboken while it looks for overrides
LIBRARIES = (QtCore, QtGui, QtWidgets)


class NotInHost(AttributeError):
    """What a scripted module asked for that the panel host does not have."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} is not in the panel host (Testing/panel_host)")


class HostModule(types.ModuleType):
    """A stand-in of a Python module of 3D Slicer; what it lacks is an error that names it."""

    def __getattr__(self, name: str) -> object:
        raise NotInHost(f"{self.__name__}.{name}")


class StandIn:
    """Marks our stand-ins of C++ classes: they get setters, and no attributes from outside."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        for name, value in list(vars(cls).items()):
            setter = f"set{name[0].upper()}{name[1:]}"
            if isinstance(value, QtCore.Property) and setter not in vars(cls):
                setattr(cls, setter, functools.partialmethod(setattr, name))


class _Property:
    """A Qt property as an attribute of the object; the class keeps what it had under the name, as
    `QTimer.singleShot` is both."""

    def __init__(self, name: str, of_class: object) -> None:
        self.name, self.of_class = name, of_class

    def __get__(self, instance: QObject | None, owner: type) -> object:
        return self.of_class if instance is None else instance.property(self.name)

    def __set__(self, instance: QObject, value: object) -> None:
        if not instance.setProperty(self.name, value):
            raise TypeError(f"{type(instance).__name__}.{self.name} can't be {value!r}")


def has_property(kind: type, name: str) -> bool:
    return isinstance(inspect.getattr_static(kind, name, None), (_Property, QtCore.Property))


def _get(self: QObject, name: str) -> object:
    if name == "connect":  # shiboken answers to it before it looks at the class
        return functools.partial(_connect, self)
    if name == "disconnect":
        return functools.partial(_disconnect, self)
    return _plain_get(self, name)


def _set(self: QObject, name: str, value: object) -> None:
    kind = type(self)
    slot = inspect.getattr_static(kind, name, None)
    if isinstance(slot, QtCore.Property):
        slot.fset(self, value)
    elif hasattr(type(slot), "__set__"):
        slot.__set__(self, value)
    elif isinstance(value, QObject) and value.objectName == name:
        pass  # PySide6's QUiLoader gives a parent its named children; PythonQt's doesn't
    elif name.startswith("_") or not _is_foreign(kind) or isinstance(value, SignalInstance):
        self.__dict__[name] = value  # PySide6 keeps the signals of an object so
    else:
        raise NotInHost(f"property {kind.__name__}.{name}")


def _is_foreign(kind: type) -> bool:
    """Whether it is a C++ class in 3D Slicer."""
    return kind.__module__.startswith("PySide6.") or StandIn in kind.__bases__


def _signal(sender: QObject, signature: str) -> str:
    """The signature as PySide6 has it; NotInHost for a signal that the object lacks."""
    ours = QMetaObject.normalizedSignature(signature).toStdString()
    ours = re.sub(r"vtk\w+\*", "PyObject", ours)
    if sender.metaObject().indexOfSignal(ours) < 0:
        raise NotInHost(f"signal {type(sender).__name__}.{signature}")
    return SIGNAL(ours)


def _connect(sender: QObject, signature: str, receiver: Callable) -> bool:
    if not callable(receiver):
        raise TypeError(f"{signature}: {receiver!r} can't be called")
    return bool(_plain_connect(sender, _signal(sender, signature), receiver))


def _disconnect(sender: QObject, signature: str, receiver: Callable) -> bool:
    return _plain_disconnect(sender, _signal(sender, signature), receiver)


def _as_in_pythonqt() -> None:
    for library in LIBRARIES:
        for name in dir(library):
            kind = getattr(library, name)
            if not (inspect.isclass(kind) and issubclass(kind, QObject)):
                continue
            kind.__setattr__ = _set
            meta = kind.staticMetaObject
            for k in range(meta.propertyOffset(), meta.propertyCount()):
                name = meta.property(k).name()
                if name not in VIRTUAL:
                    setattr(kind, name, _Property(name, getattr(kind, name, None)))
    QObject.name = _Property("objectName", None)
    QObject.className = lambda self: self.metaObject().className()
    QObject.delete = lambda self: shiboken6.delete(self)
    QObject.__getattribute__ = _get


_plain_get = QObject.__getattribute__
_plain_connect, _plain_disconnect = QObject.connect, QObject.disconnect
_as_in_pythonqt()
