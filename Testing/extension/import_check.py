"""Import the library from an install tree alone, and load everything it ships.

python Testing/extension/import_check.py INSTALL/lib/Slicer-5.13/qt-scripted-modules
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from pathlib import Path

WITHOUT = {"LNGenLib.service.__main__"}  # runs when imported


def main() -> None:
    """See the module's first lines."""
    tree = Path(sys.argv[1]).resolve()
    sys.meta_path = [finder for finder in sys.meta_path if "editable" not in str(finder)]
    sys.path.insert(0, str(tree))

    import LNGenLib

    names = [m.name for m in pkgutil.walk_packages(LNGenLib.__path__, "LNGenLib.")]
    for name in set(names) - WITHOUT:
        importlib.import_module(name)
    loaded = [m for name, m in sys.modules.items() if name.split(".")[0] == "LNGenLib"]
    elsewhere = [m.__name__ for m in loaded if tree not in Path(m.__file__).resolve().parents]
    if elsewhere:
        sys.exit(f"FAIL  not from {tree}: {elsewhere}")
    print(f"ok    {len(loaded)} modules of LNGenLib imported from the install tree alone")

    from LNGenLib.structure.model import StructureModel
    from LNGenLib.structure.variant import Variant
    from LNGenLib.texture.model import TextureModel

    for variant in Variant:
        StructureModel(device="cpu", variant=variant)
    TextureModel(device="cpu")
    print(f"ok    weights of {', '.join(variant.value for variant in Variant)} and texture loaded")


if __name__ == "__main__":
    main()
