"""Loading .ui files, with an error for each widget, property or connection that is not known."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from PySide6 import QtCore, QtUiTools, QtWidgets

from panel_host import widgets
from panel_host.dialogs import ctkMessageBox
from panel_host.mrml_widgets import MRML
from panel_host.pythonqt import NotInHost, has_property

CTK = {
    kind.__name__: kind
    for kind in (
        widgets.ctkCollapsibleButton,
        ctkMessageBox,
        widgets.ctkPathLineEdit,
        widgets.ctkRangeWidget,
        widgets.ctkSliderWidget,
    )
}
CUSTOM = CTK | MRML
DYNAMIC = {"SlicerParameterName"}


def _kind(name: str) -> type:
    kind = CUSTOM.get(name) or getattr(QtWidgets, name, None)
    if kind is None:
        raise NotInHost(f"widget {name}")
    return kind


def _check(root: ElementTree.Element) -> None:
    for widget in root.iter("widget"):
        name = widget.get("class")
        for each in widget.findall("property"):
            known = has_property(_kind(name), each.get("name"))
            if not known and each.get("name") not in DYNAMIC:
                raise NotInHost(f"property {name}.{each.get('name')} of {widget.get('name')}")


class QUiLoader(QtUiTools.QUiLoader):
    def __init__(self) -> None:
        super().__init__()
        for kind in CUSTOM.values():
            self.registerCustomWidget(kind)

    def load(self, device: QtCore.QIODevice) -> QtWidgets.QWidget:
        root = ElementTree.fromstring(device.readAll().data())
        _check(root)
        connections = root.find("connections")
        if connections is not None:
            root.remove(connections)
        buffer = QtCore.QBuffer()
        buffer.setData(ElementTree.tostring(root))
        widget = super().load(buffer)
        for each in root.iter("widget"):
            made = self._named(widget, each.get("name"))
            if not isinstance(made, _kind(each.get("class"))):
                raise RuntimeError(f"{each.get('class')} {each.get('name')} could not be made")
        for each in () if connections is None else connections:
            self._join(widget, **{part.tag: part.text for part in each if part.text})
        return widget

    @staticmethod
    def _named(root: QtWidgets.QWidget, name: str) -> QtCore.QObject:
        found = root if root.objectName == name else root.findChild(QtCore.QObject, name)
        if found is None:
            raise NotInHost(f"widget {name}, which the .ui names,")
        return found

    def _join(
        self, root: QtWidgets.QWidget, sender: str, signal: str, receiver: str, slot: str, **_: str
    ) -> None:
        slot = getattr(self._named(root, receiver), re.match(r"\w+", slot)[0])
        self._named(root, sender).connect(signal, slot)
