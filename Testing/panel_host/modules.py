"""Puts the stand-ins where a scripted module imports them from, and takes them away again."""

from __future__ import annotations

import importlib.util
import inspect
import sys
import types
from pathlib import Path

import slicer

from panel_host import packaging, parameters, sample_data, scripted
from panel_host.application import Application
from panel_host.dialogs import QFileDialog, ctkMessageBox
from panel_host.mrml_widgets import MRML
from panel_host.pythonqt import LIBRARIES, HostModule, NotInHost
from panel_host.ui import CTK, QUiLoader


class Qt(HostModule):
    """`qt`: the names of PySide6 that are Qt's, and our dialogs and loader."""

    QUiLoader, QFileDialog, QMessageBox = QUiLoader, QFileDialog, ctkMessageBox

    def __getattr__(self, name: str) -> object:
        for library in LIBRARIES if name.startswith("Q") else ():
            if hasattr(library, name):
                return getattr(library, name)
        raise NotInHost(f"qt.{name}")


def _module(name: str, content: dict[str, object]) -> None:
    """Make a module of this content known; one of Slicer's is its attribute, too."""
    module = HostModule(name)
    module.__dict__.update(content)
    module.__all__ = list(content)
    sys.modules[name] = module
    if name.startswith("slicer."):
        setattr(slicer, name.removeprefix("slicer."), module)


def _public(module: types.ModuleType) -> dict[str, object]:
    """What a module of stand-ins defines for others."""
    mine = ((name, each) for name, each in vars(module).items() if name[0] != "_")
    return {name: each for name, each in mine if inspect.getmodule(each) is module}


class Modules:
    def __init__(self) -> None:
        self.opened: list[scripted.qSlicerScriptedLoadableModule] = []

    def install(self, app: Application) -> None:
        self._before = dict(vars(slicer)), dict(sys.modules), list(sys.path)
        slicer.app, slicer.modules = app, types.SimpleNamespace()
        slicer.modules.sampleDataSources, slicer.modules.sampleDataSourceCategories = {}, {}
        vars(slicer).update(MRML)
        for kind in ("qSlicerScriptedLoadableModule", "qSlicerScriptedLoadableModuleWidget"):
            setattr(slicer, kind, getattr(scripted, kind))
        sys.modules["qt"] = Qt("qt")
        _module("ctk", CTK)
        _module("SampleData", _public(sample_data))
        _module("slicer.i18n", {"tr": lambda text: text, "translate": lambda context, text: text})
        _module("slicer.ScriptedLoadableModule", _public(scripted))
        _module("slicer.parameterNodeWrapper", parameters.PUBLIC)
        _module("slicer.packaging", _public(packaging))

    def remove(self) -> None:
        attributes, modules, path = self._before
        for name in set(vars(slicer)) - set(attributes):
            delattr(slicer, name)
        vars(slicer).update(attributes)
        for name in set(sys.modules) - set(modules):
            if self._is_ours(name):
                del sys.modules[name]
        self._restore_library(modules)
        sys.path[:] = path

    @staticmethod
    def _restore_library(modules: dict[str, object]) -> None:
        """Take back what a reload replaced: others hold classes of what was there before."""
        before = {name: one for name, one in modules.items() if name.startswith("LNGenLib")}
        if any(sys.modules.get(name) is not one for name, one in before.items()):
            for name in [name for name in sys.modules if name.startswith("LNGenLib")]:
                del sys.modules[name]
            sys.modules.update(before)

    def _is_ours(self, name: str) -> bool:
        if name in ("qt", "ctk", "SampleData") or name.startswith("slicer."):
            return True
        folders = tuple(str(Path(module.path).parent) for module in self.opened)
        return (getattr(sys.modules[name], "__file__", None) or "").startswith(folders)

    def load(self, path: Path) -> scripted.qSlicerScriptedLoadableModule:
        """Load a scripted module's file and make it known as `slicer.modules.NAME`."""
        module = scripted.qSlicerScriptedLoadableModule(path)
        sys.path.insert(0, str(path.parent))
        spec = importlib.util.spec_from_file_location(module.name, module.path)
        sys.modules[module.name] = importlib.util.module_from_spec(spec)
        self.opened.append(module)
        spec.loader.exec_module(sys.modules[module.name])
        instance = getattr(sys.modules[module.name], module.name)(module)
        lacking = [
            name for name in module.dependencies if not hasattr(slicer.modules, name.lower())
        ]
        if lacking or not module.title:
            raise RuntimeError(f"{module.name} has no title, or depends on {lacking}")
        reader = getattr(sys.modules[module.name], f"{module.name}FileReader", None)
        sample_data.readers[:] = [reader] if reader else []
        setattr(slicer.modules, module.name.lower(), module)
        setattr(slicer.modules, f"{module.name}Instance", instance)
        return module
