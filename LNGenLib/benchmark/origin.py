"""On which machine and by which code something was computed: what differs in either is not
compared."""

from __future__ import annotations

import hashlib
import os
import platform
from functools import cache
from pathlib import Path

import LNGenLib
from LNGenLib.synthesis.models import choose_device

CPUINFO = Path("/proc/cpuinfo")


@cache
def origin(device: str) -> dict[str, str]:
    """Machine, versions, and a hash of LNGenLib's sources."""
    import torch

    found = choose_device(device)
    machine = torch.cuda.get_device_name() if found == "cuda" else f"{_cpu()} x {os.cpu_count()}"
    digest = hashlib.sha256()
    root = Path(LNGenLib.__file__).parent
    for file in sorted(root.rglob("*.py")):
        digest.update(f"{file.relative_to(root)}\0".encode() + file.read_bytes())
    return {
        "machine": machine,
        "software": f"LNGen {LNGenLib.__version__}, torch {torch.__version__}",
        "code": digest.hexdigest()[:12],
    }


def _cpu() -> str:
    """The processor's name; family, model and stepping, since a rented one tells no name of its
    own."""
    if not CPUINFO.exists():
        return platform.processor()
    lines = (line.split(":", 1) for line in CPUINFO.read_text().splitlines() if ":" in line)
    known = {name.strip(): value.strip() for name, value in lines}
    names = ("model name", "cpu family", "model", "stepping")
    return " ".join(known[name] for name in names if name in known) or platform.processor()
