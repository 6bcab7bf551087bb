"""Puts the stand-ins where a scripted module imports them from, and takes them away again."""

from __future__ import annotations

import importlib.util
import inspect
import os
import sys
import types
from pathlib import Path

import slicer

from panel_host import annotations, packaging, parameters, scripted
from panel_host.application import Application
from panel_host.dialogs import QFileDialog, ctkMessageBox
from panel_host.mrml_widgets import MRML
from panel_host.pythonqt import LIBRARIES, HostModule, NotInHost
from panel_host.ui import CTK, QUiLoader

REAL = ("i18n", "ScriptedLoadableModule", "parameterNodeWrapper")
NAMED_IN_REAL = (  # classes that we have no stand-in of
    "ctkCheckBox ctkCheckablePushButton ctkColorPickerButton ctkComboBox ctkDirectoryButton "
    "ctkDoubleRangeSlider ctkDoubleSlider qMRMLRangeWidget qMRMLSliderWidget qMRMLSpinBox"
)


class Qt(HostModule):
    """`qt`: the names of PySide6 that are Qt's, and our dialogs and loader."""

    QUiLoader, QFileDialog, QMessageBox = QUiLoader, QFileDialog, ctkMessageBox

    def __getattr__(self, name: str) -> object:
        for library in LIBRARIES if name.startswith("Q") else ():
            if hasattr(library, name):
                return getattr(library, name)
        raise NotInHost(f"qt.{name}")


class Loaded(types.SimpleNamespace):
    """`slicer.modules`: those that are loaded; others are no attributes."""


class SampleDataLogic:
    """Keeps what is registered, as `sources` by category."""

    categories: dict[str, str] = {}
    sources: list[dict[str, object]] = []

    @classmethod
    def registerCustomSampleDataCategory(cls, category: str, title: str) -> None:
        cls.categories[category] = title

    @classmethod
    def registerCustomSampleDataSource(cls, **source: object) -> None:
        cls.sources.append(source)


def _module(name: str, content: dict[str, object]) -> HostModule:
    module = HostModule(name)
    module.__dict__.update(content)
    module.__all__ = list(content)
    return module


def _public(module: types.ModuleType) -> dict[str, object]:
    """What a module of stand-ins defines for others."""
    return {
        name: each
        for name, each in vars(module).items()
        if inspect.getmodule(each) is module and name[0] != "_"
    }


class Modules:
    def __init__(self) -> None:
        self.opened: list[scripted.qSlicerScriptedLoadableModule] = []

    def install(self, app: Application) -> None:
        self._before = dict(vars(slicer)), dict(sys.modules), list(sys.path), list(slicer.__path__)
        slicer.app, slicer.modules = app, Loaded()
        for name, kind in MRML.items():
            setattr(slicer, name, kind)
        slicer.qSlicerScriptedLoadableModuleWidget = scripted.qSlicerScriptedLoadableModuleWidget
        slicer.qSlicerScriptedLoadableModule = scripted.qSlicerScriptedLoadableModule
        sys.modules["qt"], sys.modules["ctk"] = Qt("qt"), _module("ctk", CTK)
        sample_data = _module("SampleData", {"SampleDataLogic": SampleDataLogic})
        sys.modules["SampleData"] = sample_data
        self._add_slicer("packaging", packaging)
        if real := os.environ.get("SLICER_PYTHON"):
            slicer.__path__.append(f"{real}/slicer")
            for name in NAMED_IN_REAL.split():
                owner = sys.modules["ctk"] if name.startswith("ctk") else slicer
                setattr(owner, name, type(name, (), {}))
            for name in REAL:
                setattr(slicer, name, importlib.import_module(f"slicer.{name}"))
            return
        i18n = {"tr": lambda text: text, "translate": lambda context, text: text}
        self._add_slicer("i18n", _module("slicer.i18n", i18n))
        content = _public(scripted)
        self._add_slicer(
            "ScriptedLoadableModule", _module("slicer.ScriptedLoadableModule", content)
        )
        content = _public(annotations) | _public(parameters)
        self._add_slicer("parameterNodeWrapper", _module("slicer.parameterNodeWrapper", content))

    @staticmethod
    def _add_slicer(name: str, module: types.ModuleType) -> None:
        sys.modules[f"slicer.{name}"] = module
        setattr(slicer, name, module)

    def remove(self) -> None:
        attributes, modules, path, slicer_path = self._before
        for name in set(vars(slicer)) - set(attributes):
            delattr(slicer, name)
        vars(slicer).update(attributes)
        for name in set(sys.modules) - set(modules):
            if self._is_ours(name):
                del sys.modules[name]
        sys.path[:], slicer.__path__[:] = path, slicer_path

    def _is_ours(self, name: str) -> bool:
        if name in ("qt", "ctk", "SampleData") or name.startswith("slicer."):
            return True
        folders = [str(Path(module.path).parent) for module in self.opened]
        file = getattr(sys.modules[name], "__file__", None) or ""
        return any(file.startswith(folder) for folder in folders)

    def load(self, module: scripted.qSlicerScriptedLoadableModule) -> type:
        """Run a scripted module's file; returns the class of the module."""
        sys.path.insert(0, str(Path(module.path).parent))
        spec = importlib.util.spec_from_file_location(module.name, module.path)
        sys.modules[module.name] = importlib.util.module_from_spec(spec)
        self.opened.append(module)
        spec.loader.exec_module(sys.modules[module.name])
        return getattr(sys.modules[module.name], module.name)

    def add(self, module: object, instance: object, panel: object) -> None:
        """Make an opened module known as `slicer.modules.NAME`."""
        module._widget = panel
        setattr(slicer.modules, module.name.lower(), module)
        setattr(slicer.modules, f"{module.name}Instance", instance)

    @staticmethod
    def widget(module: scripted.qSlicerScriptedLoadableModule) -> type:
        return getattr(sys.modules[module.name], f"{module.name}Widget")
