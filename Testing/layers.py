"""The layers of LNGenLib: a room may use those of the layers below its own.

    python Testing/layers.py    (part of make lists)

draws them as docs/architecture.svg. `test_layers.py` holds the code to them.
"""

from __future__ import annotations

from pathlib import Path
from xml.sax.saxutils import escape

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs/architecture.svg"
LAYERS = [  # from the bottom to the top
    {"errors": "what users can mend", "randomness": "seeds", "threads": "shared CPUs"}
    | {"loading": "torch and MONAI, soon"},
    {"files": "written whole", "validation": "values of their types"}
    | {"progress": "stages, canceling"},
    {"image": "files, geometry, HU", "latent": "VAE, diffusion", "models": "weights and cards"}
    | {"phantom": "a pelvis by numbers"},
    {"scan": "a CT, checked", "structure": "shape: III-A"},
    {"placement": "where: III-C", "texture": "tissue: III-B"},
    {"synthesis": "request, plan, result"},
    {"datasets": "cases by the number", "evaluation": "how real?", "dicom": "export"},
    {"segmentation": "networks that find them"},
    {"training": "lngen train", "benchmark": "Tables I and II", "study": "readers judge"},
    {"service": "server, worker, client", "mrml": "the scene of Slicer"},
    {"cli": "the lngen command", "__init__": "the public face"},
]
ROOMS = {  # which parts of a room each of them may use
    "service": {
        "protocol": set(),
        "worker": {"protocol"},
        "server": {"protocol", "worker"},
        "client": {"protocol"},
    }
}
USERS = {"3D Slicer": "the panel of LNGen", "shell": "lngen", "Python": "import LNGenLib"}

WIDTH, HIGH, GAP = 760, 40, 10  # pixels
BOX = (
    '<rect x="{x:g}" y="{y}" width="{wide:g}" height="40" rx="6" fill="{fill}" stroke="#567"/>\n'
    '<text x="{middle:g}" y="{high}" font-weight="bold">{name}</text>'
    '<text x="{middle:g}" y="{low}" font-size="11" fill="#345">{words}</text>\n'
)


def drawing() -> str:
    """The layers as SVG, the users on top."""
    rows = [("#d9efe1", USERS)]
    rows += [("#eef2f5", layer) for layer in reversed(LAYERS)]
    height = len(rows) * (HIGH + GAP) + GAP
    text = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        'font-family="sans-serif" font-size="13" text-anchor="middle">\n'
        '<rect width="100%" height="100%" fill="#fff"/>\n'
    )
    for row, (fill, boxes) in enumerate(rows):
        y = GAP + row * (HIGH + GAP)
        wide = (WIDTH - GAP) / len(boxes) - GAP
        for column, (name, words) in enumerate(boxes.items()):
            x = GAP + column * (wide + GAP)
            text += BOX.format(
                x=x,
                y=y,
                wide=wide,
                fill=fill,
                middle=x + wide / 2,
                high=y + 17,
                low=y + 32,
                name="LNGenLib" if name == "__init__" else name,
                words=escape(words),
            )
    return text + "</svg>\n"


if __name__ == "__main__":
    PICTURE.write_text(drawing())
