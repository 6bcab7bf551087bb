"""Modal dialogs, answered by the test that drives the panel."""

from __future__ import annotations

from collections import deque

from PySide6 import QtWidgets
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from panel_host.pythonqt import NotInHost, StandIn

YES = QtWidgets.QMessageBox.AcceptRole, QtWidgets.QMessageBox.YesRole
NO = QtWidgets.QMessageBox.RejectRole, QtWidgets.QMessageBox.NoRole
STATIC = {  # functions that open a dialog of their own
    QtWidgets.QMessageBox: ("about", "critical", "information", "question", "warning"),
    QtWidgets.QInputDialog: ("getDouble", "getInt", "getItem", "getText"),
    QtWidgets.QColorDialog: ("getColor",),
}


class Dialogs:
    """`answers` to come, first first; `messages` shown so far. A dialog without answer is an error.

    A message box takes True, False or a button's text, a file dialog a path. A message box of a
    single button needs no answer.
    """

    def __init__(self) -> None:
        self.answers: deque = deque()
        self.messages: list[str] = []

    def answer(self, text: str) -> object:
        self.messages.append(text)
        if not self.answers:
            raise AssertionError(f"the host has no answer to: {text}")
        return self.answers.popleft()


DIALOGS = Dialogs()


class ctkMessageBox(QtWidgets.QMessageBox, StandIn):
    """Presses the button that the test wants; `QMessageBox` in qt, too."""

    def exec_(self) -> object:
        self.show()
        buttons = [each for each in self.buttons() if each.text != "Show Details..."]
        if len(buttons) == 1:
            DIALOGS.messages.append(self.text)
        else:
            answer = DIALOGS.answer(self.text)
            buttons = [each for each in buttons if self._means(each, answer)]
        if len(buttons) != 1:
            raise AssertionError(f"{answer!r} is no single button of: {self.text}")
        QTest.mouseClick(buttons[0], Qt.LeftButton)
        return self.standardButton(self.clickedButton())

    def _means(self, button: QtWidgets.QAbstractButton, answer: object) -> bool:
        if isinstance(answer, bool):
            return self.buttonRole(button) in (YES if answer else NO)
        return button.text.replace("&", "") == answer


class QFileDialog:
    """The static functions; the answer is a path, "" to cancel."""

    @staticmethod
    def getOpenFileName(parent=None, caption="", directory="", filter="") -> str:
        return str(DIALOGS.answer(caption))

    getSaveFileName = getOpenFileName

    @staticmethod
    def getExistingDirectory(parent=None, caption="", directory="", options=None) -> str:
        return str(DIALOGS.answer(caption))


def _blocks(name: str) -> staticmethod:
    def blocked(*_: object) -> None:
        raise NotInHost(name)

    return staticmethod(blocked)


for kind, names in STATIC.items():
    for name in names:
        setattr(kind, name, _blocks(f"qt.{kind.__name__}.{name}"))
