"""What the tests of a reader study's page share: its crops, its screens, what it must show."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image
from scipy import ndimage

from LNGenLib.study.page import BLACK_HU, STEP_HU, WINDOW_HU, Crop, as_gray

if TYPE_CHECKING:
    from playwright.sync_api import Page

SPACING = np.array([2.0, 1.0, 0.8])  # mm (z, y, x)
SHAPE = (21, 42, 53)  # the middle is voxel (10, 21, 26)
LAST = {"axial": 7, "coronal": 15, "sagittal": 18}  # slices within 15 mm

# what a page is made to run
FILL = """() => {
  for (let size = 1 << 22; size; size >>= 1)
    try { for (let i = 0; ; i++) localStorage.setItem(`fill ${size} ${i}`, "x".repeat(size)); }
    catch {}
}"""
BARRED = "Object.defineProperty(window, 'localStorage', {get() { throw new Error('barred'); }})"
TRY_ALL = """async () => {
  const barred = [];
  addEventListener("securitypolicyviolation", (event) => barred.push(event.effectiveDirective));
  const add = (tag, values) =>
    document.body.append(Object.assign(document.createElement(tag), values));
  add("img", { src: "https://example.org/a.png" });
  add("script", { textContent: "document.title = 'run'" });
  await fetch("https://example.org/").catch(() => {});
  await new Promise((done) => setTimeout(done, 100));
  return barred;
}"""


def crop(name: str, seed: int = 0) -> Crop:
    """A smooth crop, different in every direction and for every seed."""
    noise = np.random.default_rng(seed).normal(size=SHAPE)
    smooth = ndimage.gaussian_filter(noise, 3 / SPACING)
    return Crop(name, as_gray(150 * smooth / smooth.std() + 40), SPACING)


def begin(page: Page, name: str = "Dr. A") -> None:
    """Fill in the start screen by keys."""
    page.keyboard.type(name)
    page.keyboard.press("Enter")


def picture(page: Page, plane: str) -> np.ndarray:
    """What a plane shows, (y, x) gray."""
    url = page.locator(f"#{plane} canvas").evaluate("canvas => canvas.toDataURL()")
    image = Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2])))
    return np.asarray(image.convert("L"), np.float64)


def pictures(page: Page) -> dict[str, bytes]:
    """All planes, to tell whether they changed."""
    return {plane: picture(page, plane).tobytes() for plane in LAST}


def expected(plane: str, offset: int, size: int) -> np.ndarray:
    """A plane (y, x) of the first crop by SciPy, `offset` slices on from the middle."""
    middle = np.array(SHAPE) // 2
    side = 2 * ((np.array(SHAPE) - 1 - middle + 0.5) * SPACING).min()
    mm = side * ((np.arange(size) + 0.5) / size - 0.5)
    down, right = np.meshgrid(mm, mm, indexing="ij")
    on = np.full_like(down, offset)
    points = {
        "axial": (-on * SPACING[0], down, right),
        "coronal": (-down, on * SPACING[1], right),
        "sagittal": (-down, right, on * SPACING[2]),
    }[plane]
    voxels = crop("").voxels.astype(float)
    index = [point / side + m for point, side, m in zip(points, SPACING, middle)]
    hu = BLACK_HU + STEP_HU * ndimage.map_coordinates(voxels, index, order=3, mode="nearest")
    return np.clip(255 * (hu - WINDOW_HU[0]) / (WINDOW_HU[1] - WINDOW_HU[0]), 0, 255)


def where(page: Page, plane: str) -> float:
    """The mm on from the middle, as a screen reader is told."""
    return float(page.locator(f"#{plane}").get_attribute("aria-valuenow"))


def title(page: Page) -> str:
    return page.locator("#title").inner_text()


def answers(page: Page) -> dict[str, Any]:
    """What is saved, by the button."""
    page.get_by_role("button", name="Finish").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Save answers").click()
    saved = json.loads(Path(download.value.path()).read_text("utf-8"))
    assert saved == json.loads(page.get_by_label("copy this text").input_value())
    return saved | {"file": download.value.suggested_filename}
