"""A check-up: versions, device, memory, weights, and one lymph node in a small phantom."""

from __future__ import annotations

import platform
import time
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from LNGenLib.errors import InputError
from LNGenLib.progress import Progress
from LNGenLib.service.protocol.messages import CheckUp, Finding
from LNGenLib.training import MODELS

PACKAGES = ("lngen", "torch", "monai", "numpy", "scipy", "scikit-image", "SimpleITK", "safetensors")
SELF_TEST = "self test: one lymph node"
WEIGHTS = [name for name, model in MODELS.items() if model.ships]


def examine(models: Any, progress: Progress) -> CheckUp:
    """The check-up of this machine; `models` paint the lymph node."""
    progress.stage("versions")
    findings = [Finding("Python", platform.python_version())]
    findings += [_package(name) for name in PACKAGES]
    findings += [Finding("device", device_name()), Finding("free memory", free_memory())]
    findings += [_weights(name) for name in WEIGHTS]
    progress.stage("self test")
    findings.append(_self_test(models))
    progress.finish()
    return CheckUp(tuple(findings))


def _package(name: str) -> Finding:
    try:
        return Finding(name, version(name))
    except PackageNotFoundError:  # Slicer has its own SimpleITK
        return Finding(name, "no version is known")


def device_name() -> str:
    """What the networks run on."""
    import torch

    from LNGenLib.synthesis.models import choose_device

    if choose_device("auto") == "cuda":
        return f"cuda: {torch.cuda.get_device_name()}"
    return f"cpu: {torch.get_num_threads()} threads"


def free_memory() -> str:
    """Of the device, in GiB."""
    import torch

    if torch.cuda.is_available():
        return f"{torch.cuda.mem_get_info()[0] / 2**30:.1f} GiB"
    try:
        with open("/proc/meminfo") as file:
            values = dict(line.split(":") for line in file)
        return f"{int(values['MemAvailable'].split()[0]) / 2**20:.1f} GiB"
    except (OSError, KeyError):  # not Linux
        return "not known"


def _weights(name: str) -> Finding:
    from LNGenLib.models.store import SHIPPED, read_description

    try:
        description = read_description(SHIPPED / f"{name}.safetensors")
    except InputError as error:
        return Finding(f"weights: {name}", str(error), good=False)
    return Finding(f"weights: {name}", f"SHA-256 {description['sha256'][:12]}")


def _self_test(models: Any) -> Finding:
    import numpy as np

    from LNGenLib.image.io import to_array
    from LNGenLib.phantom import pelvic_phantom
    from LNGenLib.scan import Scan
    from LNGenLib.structure.sizes import Sizes
    from LNGenLib.synthesis.engine import synthesize
    from LNGenLib.synthesis.request import SynthesisRequest

    phantom = pelvic_phantom(0, (3.0, 3.0, 3.0))
    begin = time.perf_counter()
    request = SynthesisRequest(1, Sizes("uniform", 10.0, 10.0), 0)
    try:
        result = synthesize(Scan(phantom.ct, phantom.labels), request, models)
    except InputError as error:
        return Finding(SELF_TEST, str(error), good=False)
    seconds = time.perf_counter() - begin
    untouched = to_array(result.changed) == 0
    kept = np.array_equal(to_array(result.ct)[untouched], to_array(phantom.ct)[untouched])
    painted = (to_array(result.nodes) == 1).any()
    return Finding(SELF_TEST, f"{seconds:.1f} s", good=bool(kept and painted))
