"""Build, install and package the extension with Slicer's own CMake macros, and import the result.

    git clone --depth 1 https://github.com/Slicer/Slicer
    git clone --depth 1 https://github.com/commontk/CTK
    python Testing/extension/install_check.py --slicer Slicer --ctk CTK

Slicer itself is not built: stub/SlicerConfig.cmake stands for its configuration, so no C++ is
compiled and no test of the extension runs in Slicer here. Needs git, a C++ compiler for CMake to
find, and cmake 3.28 or newer (pip install cmake). Ends with exit code 1 at the first thing that
is not as it should be.
"""

from __future__ import annotations

import argparse
import filecmp
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from metadata import MODULES, ROOT, cmake_metadata, description, listed_files, read_description

HERE = Path(__file__).parent
SLICER_PARTS = ["CMake", "Extensions/CMake", "Base/QTCore/Testing", "Utilities/Templates"]
VERSION = "5.13"


def unpack(repository: Path, parts: list[str], folder: Path) -> Path:
    """A folder with parts of the newest commit of a git repository, bare or not."""
    folder.mkdir()
    archive = folder.with_suffix(".tar")
    command = ["git", "-C", str(repository), "archive", "-o", str(archive), "HEAD", *parts]
    subprocess.run(command, check=True)
    with tarfile.open(archive) as content:
        content.extractall(folder, filter="data")
    return folder


def run(*command: str | Path, cwd: Path | None = None) -> str:
    """The command's output; ends this program with it where the command fails."""
    done = subprocess.run(list(map(str, command)), cwd=cwd, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}\n{done.stderr}")
    return done.stdout + done.stderr


def check(condition: bool, what: str) -> None:
    """Print what holds, or end this program."""
    print("ok   " if condition else "FAIL ", what, flush=True)
    if not condition:
        sys.exit(1)


def check_tree(folder: Path, where: str) -> None:
    """Every listed file is below qt-scripted-modules, equal to the source, and no other."""
    expected = {}
    for module in MODULES:
        for name in sum(listed_files(ROOT / module), []):
            place = name if module == "LNGen" else f"{module}/{name}"
            expected[place] = ROOT / module / name
    present = {
        path.relative_to(folder).as_posix(): path
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    check(set(present) == set(expected), f"{len(expected)} files in the {where}, no other")
    equal = all(filecmp.cmp(present[name], expected[name], shallow=False) for name in expected)
    check(equal, f"files in the {where} equal those in the repository")


def main() -> None:
    """See the module's first lines."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slicer", type=Path, required=True, help="git repository of Slicer")
    parser.add_argument("--ctk", type=Path, required=True, help="git repository of CTK")
    parser.add_argument("--keep", type=Path, help="copy the install tree here")
    options = parser.parse_args()
    cmake = shutil.which("cmake", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    with tempfile.TemporaryDirectory(prefix="lngen-") as name:
        work = Path(name)
        slicer = unpack(options.slicer, SLICER_PARTS, work / "slicer")
        ctk = unpack(options.ctk, ["CMake"], work / "ctk")
        build, install = work / "build", work / "install"
        configured = run(
            *(cmake, "-Wno-author", "-S", ROOT, "-B", build, f"-DSlicer_DIR={HERE / 'stub'}"),
            *(f"-DSTUB_SLICER={slicer}", f"-DSTUB_CTK={ctk}", f"-DSTUB_VERSION={VERSION}"),
            *(f"-DSTUB_PYTHON={sys.executable}", f"-DCMAKE_PREFIX_PATH={HERE / 'stub'}"),
            f"-DCMAKE_INSTALL_PREFIX={install}",
        )
        check("Configuring Scripted module: LNGenLib" in configured, "configured")
        warnings = re.findall(r"CMake Warning at (?!.*FindGit).*", configured)  # no remote: fine
        check(not warnings, f"without warnings {warnings or ''}")
        run(cmake, "--build", build)
        modules = f"lib/Slicer-{VERSION}/qt-scripted-modules"
        check_tree(build / modules, "build tree")
        run(cmake, "--install", build)
        check_tree(install / modules, "install tree")
        run(cmake, "--build", build, "--target", "package")
        (package,) = build.glob("*.tar.gz")
        with tarfile.open(package) as content:
            content.extractall(work / "package", filter="data")
        (top,) = (work / "package").iterdir()
        check_tree(top / modules, f"package {package.name}")
        made = read_description(build / "LNGen.s4ext")
        ours = description(cmake_metadata())
        same = {key for key in ours if not key.startswith("scm")}
        differing = {key: (made.get(key), ours[key]) for key in same if made.get(key) != ours[key]}
        check(not differing, f"Slicer's LNGen.s4ext says what ours does {differing or ''}")
        tests = run(cmake.replace("cmake", "ctest"), "-N", cwd=build)
        check("py_LNGenLibInSlicerTest" in tests, "tests in Slicer are registered")
        print(run(sys.executable, HERE / "import_check.py", install / modules), end="")
        if options.keep:
            shutil.copytree(install, options.keep, dirs_exist_ok=True)


if __name__ == "__main__":
    main()
