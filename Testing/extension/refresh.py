"""Bring the extension's files up to date (make lists): run it after adding or removing a file.

    python Testing/extension/refresh.py [--base https://github.com/YOU/SlicerLNGen]

Writes the lists of files in the modules' CMakeLists.txt, and LNGen.s4ext and LNGen.json from the
metadata in CMakeLists.txt. With --base, every address in the repository moves there first.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess

from metadata import (
    KINDS,
    MODULES,
    ROOT,
    catalog_entry,
    cmake_metadata,
    description,
    module_files,
    raw,
)


def move_addresses(base: str) -> None:
    """Replace the base of all addresses in every text file that git knows."""
    old = cmake_metadata()["HOMEPAGE"]
    found = subprocess.run(
        ["git", "grep", "--untracked", "-lIF", "-e", old, "-e", raw(old)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    for name in found.stdout.splitlines():
        text = (ROOT / name).read_text()
        (ROOT / name).write_text(text.replace(raw(old), raw(base)).replace(old, base))
        print(f"{name}: {old} -> {base}")


def write_lists() -> None:
    """Write each module's scripts and resources into its CMakeLists.txt."""
    for module in MODULES:
        path = ROOT / module / "CMakeLists.txt"
        text = path.read_text()
        for kind, files in zip(KINDS, module_files(ROOT / module)):
            lines = "".join(f"  {name}\n" for name in files)
            text = re.sub(
                rf"(set\(MODULE_PYTHON_{kind}\n).*?(  \))", rf"\g<1>{lines}\g<2>", text, flags=re.S
            )
        path.write_text(text)


def write_descriptions() -> None:
    """Write LNGen.s4ext and LNGen.json."""
    cmake = cmake_metadata()
    lines = [f"{key} {value}".rstrip() + "\n" for key, value in description(cmake).items()]
    (ROOT / "LNGen.s4ext").write_text("# Made from CMakeLists.txt: make lists\n" + "".join(lines))
    entry = json.dumps(catalog_entry(cmake), indent=2) + "\n"
    (ROOT / "LNGen.json").write_text(entry)


def main() -> None:
    """See the module's first lines."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--base", help="new base of all addresses")
    base = parser.parse_args().base
    if base:
        move_addresses(base.rstrip("/"))
    write_lists()
    write_descriptions()


if __name__ == "__main__":
    main()
