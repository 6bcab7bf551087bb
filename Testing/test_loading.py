"""Tests of what `lngen` loads when: each in a process of its own, which has loaded nothing yet."""

import subprocess
import sys

import pytest

HELP = """
import sys
from LNGenLib.cli.main import main
try:
    main()
except SystemExit as end:
    heavy = {"torch", "monai", "SimpleITK", "scipy", "numpy", "skimage", "PIL"}
    print("\\n", end.code, sorted(heavy.intersection(sys.modules)))
"""
BROKEN = """
import sys
sys.path.insert(0, sys.argv[1])
from LNGenLib.loading import load_monai
load_monai()
"""
LOADED = """
import gc, sys
import psutil
from LNGenLib.loading import UNUSED, load_monai
load_monai()
print(sorted(set(UNUSED).intersection(sys.modules)), gc.isenabled())
import scipy.signal
from LNGenLib import Models
models = Models("cpu")
print(models.structure.device, models.texture.device)
"""


def run(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", script, *arguments]
    return subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace")


@pytest.mark.parametrize("command", [(), ("synthesize",), ("demo",)], ids=" ".join)
def test_help_loads_nothing_heavy(command):
    done = run(HELP, *command, "--help")
    assert done.stdout.splitlines()[-1] == " 0 []"
    assert "Usage" in done.stdout


def test_a_torch_that_does_not_load_is_told_of_once_where_it_is_needed(tmp_path):
    (tmp_path / "torch.py").write_text("raise ImportError('a library of it is missing')\n")
    done = run(BROKEN, str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.count("a library of it is missing") == 2  # the line of the file, the error
    assert done.stderr.endswith("ImportError: a library of it is missing\n")
    assert done.stderr.count("Traceback") == 1


def test_monai_loads_without_what_it_does_not_need_here_and_leaves_it_to_others():
    done = run(LOADED)
    assert done.stdout == "['psutil'] True\ncpu cpu\n", done.stderr
