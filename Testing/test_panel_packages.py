"""What the worker on this computer lacks, and its installation, without Qt.

The stand-ins raise and print as Slicer's `packaging.py` and the extension PyTorch do.
"""

from __future__ import annotations

import importlib.metadata
import platform
import sys
from pathlib import Path
from subprocess import CalledProcessError
from types import SimpleNamespace

import pytest
from packaging.requirements import Requirement
from panel_parts import loaded, module

from LNGenLib.errors import Canceled, InputError

REQUIREMENTS = Path(__file__).parents[1] / "LNGen/Resources/requirements.txt"
CONFLICT = (
    "ERROR: Cannot install a and b because these package versions have conflicting dependencies."
)
OFFLINE = "WARNING: Retrying after connection broken by 'NewConnectionError(...)'"


class Slicer:
    """What is installed, what is asked and what fails; `fault` is printed before pip fails."""

    def __init__(self):
        self.installed = {"torch": "2.6.0", "numpy": "1.26.4", "fastapi": "0.100.0"}
        self.after_torch = "2.6.0"
        self.consents, self.fault = True, ""
        self.questions: list[str] = []
        self.asked_of_torch: dict = {}
        self.asked_of_pip: list[str] = []
        self.constraints = ""

    def confirm(self, text, windowTitle=None, parent=None, **kwargs):
        self.questions.append(text + kwargs["detailedText"])
        return self.consents

    @staticmethod
    def load_requirements(path):
        lines = (line.strip() for line in Path(path).read_text().splitlines())
        return [Requirement(line) for line in lines if line and not line.startswith("#")]

    def pip_check(self, requirement):
        version = self.installed.get(requirement.name)
        if requirement.name not in self.installed:
            return False
        return version in requirement.specifier

    def pip_ensure(self, requirements, constraints=None, prompt_install=True, requester=None):
        needed = [each for each in requirements if not self.pip_check(each)]
        if needed and prompt_install and not self.confirm("pip_ensure", detailedText=""):
            raise RuntimeError("User declined package installation")
        self.asked_of_pip = [str(each) for each in needed]
        self.constraints = Path(constraints).read_text()
        if self.fault:
            print(self.fault)
            raise CalledProcessError(1, "pip install")
        for each in needed:
            self.installed[each.name] = str(each.specifier).removeprefix(">=")

    def installTorch(self, askConfirmation=False, forceComputationBackend=None, **versions):
        self.asked_of_torch = versions
        if self.fault:
            print(self.fault)
            raise CalledProcessError(1, ["PythonSlicer", "-m", "light_the_torch"])
        self.installed["torch"] = self.after_torch
        return "torch"

    def distributions(self):
        known = [*self.installed.items(), (None, None), ("vtk", "9.5"), ("vtk", "9.2")]
        return [SimpleNamespace(metadata={"Name": k, "Version": v}) for k, v in known]

    def version(self, name):
        if name not in self.installed:
            raise importlib.metadata.PackageNotFoundError(name)
        return self.installed[name]


@pytest.fixture
def slicer():
    return Slicer()


@pytest.fixture
def packages(slicer, monkeypatch):
    monkeypatch.setattr(importlib.metadata, "version", slicer.version)
    monkeypatch.setattr(importlib.metadata, "distributions", slicer.distributions)
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    own = {name: getattr(slicer, name) for name in ("load_requirements", "pip_check", "pip_ensure")}
    util = SimpleNamespace(confirmOkCancelDisplay=slicer.confirm)
    others = [
        module("slicer.packaging", **own),
        module("PyTorchUtils", PyTorchUtilsLogic=lambda: slicer),
    ]
    with loaded("packages", module("slicer", util=util), *others) as found:
        yield found


def test_what_is_missing_is_named_and_installed_after_one_question(packages, slicer):
    del slicer.installed["torch"]
    lacking = packages.missing(REQUIREMENTS)
    assert lacking[:2] == ["PyTorch 2.4.1 or later", "monai>=1.5"] and "fastapi>=0.118" in lacking
    assert packages.install(REQUIREMENTS) == "" and packages.missing(REQUIREMENTS) == []
    assert len(slicer.questions) == 1 and all(each in slicer.questions[0] for each in lacking)
    wanted = {"torchVersionRequirement": ">=2.4.1", "torchvisionVersionRequirement": ">=0.19.1"}
    assert slicer.asked_of_torch == wanted
    assert packages.install(REQUIREMENTS) == "" and len(slicer.questions) == 1


def test_nothing_is_asked_of_torch_that_will_do(packages, slicer):
    packages.install(REQUIREMENTS)
    assert not slicer.asked_of_torch and slicer.asked_of_pip[0] == "monai>=1.5"


@pytest.mark.parametrize("version", ["2.1.2", "2.4.0+cpu", None, "junk"])
def test_an_older_torch_counts_as_missing(packages, slicer, version):
    """None and junk: of an installation that was broken off."""
    slicer.installed["torch"] = version
    told = f" ({version} is installed)" if version else ""
    assert packages.missing(REQUIREMENTS)[0] == f"PyTorch 2.4.1 or later{told}"
    packages.install(REQUIREMENTS)
    assert slicer.asked_of_torch


def test_a_torch_that_was_removed_in_part_counts_as_missing(packages, slicer, monkeypatch):
    """Its metadata stays where its files are in use."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert packages.missing(REQUIREMENTS)[0] == "PyTorch 2.4.1 or later"


def test_monai_is_not_installed_against_an_older_torch(packages, slicer):
    """It may be in use, so that it stays."""
    slicer.installed["torch"] = slicer.after_torch = "2.1.2"
    with pytest.raises(InputError, match=r"2.1.2 is installed\) could not be.*Restart Slicer"):
        packages.install(REQUIREMENTS)
    assert not slicer.asked_of_pip


def test_a_torch_that_is_replaced_while_it_is_loaded_needs_a_restart(packages, slicer, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", module("torch"))
    slicer.installed["torch"] = "2.1.2"
    assert packages.install(REQUIREMENTS).startswith("Restart Slicer")


def test_to_decline_is_no_error_and_installs_nothing(packages, slicer):
    slicer.consents = False
    del slicer.installed["torch"]
    with pytest.raises(Canceled):
        packages.install(REQUIREMENTS)
    assert not slicer.asked_of_torch and not slicer.asked_of_pip


@pytest.mark.parametrize("torch", [True, False], ids=["torch", "others"])
@pytest.mark.parametrize(
    "said, words",
    [
        (CONFLICT, "does not go with packages that Slicer has"),
        (OFFLINE, "Check the connection"),
        ("ERROR: [Errno 28] No space left on device", "disk is full"),
        ("ERROR: [WinError 5] Access is denied: 'c10.dll'", "Restart Slicer"),
        ("ERROR: Could not find a version that satisfies the requirement", "none for this Slicer"),
        ("ERROR: Failed building wheel", "ended with code 1"),
    ],
)
def test_an_installation_that_fails_says_of_what_and_why(
    packages, slicer, capsys, caplog, torch, said, words
):
    if torch:
        del slicer.installed["torch"]
    slicer.fault = said
    with pytest.raises(InputError, match=words) as failed:
        packages.install(REQUIREMENTS)
    assert str(failed.value).startswith("PyTorch" if torch else "monai, einops")
    assert "CalledProcessError" not in str(failed.value) and "CalledProcessError" in caplog.text
    assert said in capsys.readouterr().out, "the console does not show what pip said"


def test_any_other_fault_of_torch_is_told(packages, slicer, monkeypatch):
    """Its DLLs can't be loaded, say."""

    def fail(**_):
        raise OSError("c10.dll is missing")

    del slicer.installed["torch"]
    monkeypatch.setattr(slicer, "installTorch", fail)
    with pytest.raises(InputError, match="PyTorch could not be installed: c10.dll is missing"):
        packages.install(REQUIREMENTS)


def test_without_the_extension_pytorch_nothing_is_asked(packages, slicer, monkeypatch):
    del slicer.installed["torch"]
    monkeypatch.setitem(sys.modules, "PyTorchUtils", None)
    with pytest.raises(InputError, match="install the extension PyTorch"):
        packages.install(REQUIREMENTS)
    assert not slicer.questions


def test_packages_installed_in_part_count_as_missing(packages, slicer):
    slicer.installed["monai"] = None
    assert "monai>=1.5" in packages.missing(REQUIREMENTS)


def test_all_that_slicer_has_is_kept_but_what_lngen_needs_newer(packages, slicer):
    slicer.installed |= {"starlette": "0.27.0", "odd": "5.5.0-junk-2"}
    packages.install(REQUIREMENTS)
    assert slicer.constraints.split() == [
        *("torch==2.6.0", "numpy==1.26.4", "starlette==0.27.0", "vtk==9.5"),
    ]


@pytest.mark.parametrize(
    "system, machine, alone",
    [("darwin", "x86_64", False), ("darwin", "arm64", True), ("linux", "x86_64", True)],
)
def test_a_mac_is_told_before_anything_is_asked(
    packages, slicer, monkeypatch, system, machine, alone
):
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    if alone:
        assert packages.unsupported() == ""
        return
    assert "Use a server." in packages.unsupported()
    with pytest.raises(InputError, match="This computer can't paint: on macOS"):
        packages.install(REQUIREMENTS)
    assert not slicer.questions and not slicer.asked_of_torch
