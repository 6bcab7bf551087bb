"""Import the library from an install tree alone, load all it ships, and open the module's panel.

    python Testing/extension/import_check.py INSTALL/lib/Slicer-5.13/qt-scripted-modules

The panel opens in the panel host (Testing/panel_host), which is no 3D Slicer.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from pathlib import Path

TESTING = Path(__file__).parents[1]
OURS = ("LNGenLib", "LNGen", "LNGenPanel")


def check_origin(tree: Path) -> int:
    """The number of our modules that are loaded, all from the tree; ends the program otherwise."""
    loaded = [m for name, m in sys.modules.items() if name.split(".")[0] in OURS]
    elsewhere = [m.__name__ for m in loaded if tree not in Path(m.__file__).resolve().parents]
    if elsewhere:
        sys.exit(f"FAIL  not from {tree}: {elsewhere}")
    return len(loaded)


def load_library() -> None:
    """Import every module of the library and load all weights."""
    import LNGenLib

    names = {m.name for m in pkgutil.walk_packages(LNGenLib.__path__, "LNGenLib.")}
    for name in names:
        importlib.import_module(name)

    from LNGenLib.structure.model import StructureModel
    from LNGenLib.texture.model import TextureModel

    StructureModel(device="cpu")
    TextureModel(device="cpu")


def open_panel(tree: Path) -> int:
    """Open the module in the panel host; the number of our modules that are loaded then."""
    sys.path.append(str(TESTING))
    from panel_host import PanelHost

    with PanelHost() as host:
        host.open(tree / "LNGen.py")
        host.check()
        return check_origin(tree)


def main() -> None:
    """See the module's first lines."""
    tree = Path(sys.argv[1]).resolve()
    sys.meta_path = [finder for finder in sys.meta_path if "editable" not in str(finder)]
    sys.path.insert(0, str(tree))
    load_library()
    print(f"ok    {check_origin(tree)} modules and all weights loaded from the install tree alone")
    print(f"ok    panel opened; {open_panel(tree)} modules, all from the install tree")


if __name__ == "__main__":
    main()
