"""The pages of the documentation that no one writes by hand: the API and the model cards.

A hook of MkDocs (https://www.mkdocs.org/user-guide/configuration/#hooks). Links out of docs/ that
work on a forge lead to its pages.
"""

from __future__ import annotations

import re
from pathlib import Path

from mkdocs.structure.files import File

DOORS = "slicer", "command", "python", "monai", "server", "training", "study"
SECTIONS = {
    "Start": tuple(f"start_{door}" for door in DOORS),
    "Use": (
        "gallery",
        "users",
        "checks",
        "slicer",
        "live",
        "placement",
        "dicom",
        "datasets",
        "speed",
    ),
    "Train": ("training", "segmentation", "table1", "evaluation", "study", "measured"),
    "Serve": ("server",),
    "Develop": ("developers", "paper"),
}
ROOT = Path(__file__).parents[1]
LIBRARY = ROOT / "LNGenLib"


def on_files(files, config):
    """Add a page a package of the library, and the model cards."""
    for path in sorted(LIBRARY.iterdir()):
        if path.is_dir() and (path / "__init__.py").exists() and path.name != "models":
            modules = [p for p in sorted(path.rglob("*.py")) if not p.name.startswith("__main")]
            names = [".".join(p.relative_to(ROOT).with_suffix("").parts) for p in modules]
            parts = [f"::: {name.removesuffix('.__init__')}" for name in names]
            content = "\n\n".join([f"# LNGenLib.{path.name}", *parts])
            files.append(File.generated(config, f"api/{path.name}.md", content=content))
    for card in sorted((LIBRARY / "models").glob("*.md")):
        files.append(File.generated(config, f"models/{card.name}", content=card.read_text()))
    there = {file.src_uri for file in files}
    config.nav = ["index.md"]
    for section, names in SECTIONS.items():
        config.nav.append({section: [f"{n}.md" for n in names if f"{n}.md" in there]})
    for section, folder in (("Model cards", "models/"), ("API", "api/")):
        config.nav.append({section: sorted(name for name in there if name.startswith(folder))})
    return files


def on_page_markdown(markdown, page, config, files):
    """Lead links out of docs/ to model cards and to the forge, and those of the cards to docs/."""
    if page.file.src_uri.startswith("models/"):
        return markdown.replace("](../../docs/", "](../")
    markdown = re.sub(r"\]\(\.\./LNGenLib/models/(\w+\.md)", r"](models/\1", markdown)
    return re.sub(r"\]\(\.\./([^)]+)\)", rf"]({config.repo_url}/blob/main/\1)", markdown)
