"""A headless Chromium for the tests, from npm's registry: it brings the libraries and fonts that a
bare machine lacks (@sparticuz/chromium), is fetched once (70 MB) and kept beside the packages.
"""

from __future__ import annotations

import hashlib
import io
import os
import platform
import sys
import tarfile
import tempfile
from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Playwright

VERSION = "153.0.0"
SHA512 = "jiGWqSvPMdu4+P9TilYqAR7yEGPEHINx+lCvE/NqNO/EHYzF/x1hUiI5T6ioVIt7dEy7n88byyT0vk+dnsgQwA=="
ADDRESS = f"https://registry.npmjs.org/@sparticuz/chromium/-/chromium-{VERSION}.tgz"
FOLDER = Path(sys.prefix) / f"chromium-{VERSION}"
FONTS = """<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir prefix="relative">fonts</dir>
  <dir>/usr/share/fonts</dir>
  <alias binding="strong">
    <family>system-ui</family><prefer><family>Open Sans</family></prefer>
  </alias>
  <cachedir prefix="xdg">fontconfig</cachedir>
</fontconfig>
"""


def chromium() -> Path:
    """The folder of the unpacked Chromium; a test that asks is skipped where it cannot be had."""
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        pytest.skip("the Chromium of the tests is one for Linux on x86-64")
    if not FOLDER.exists():
        try:
            answer = requests.get(ADDRESS, timeout=60)
            answer.raise_for_status()
        except requests.RequestException as error:
            pytest.skip(f"Chromium cannot be fetched: {error}")
        assert b64encode(hashlib.sha512(answer.content).digest()).decode() == SHA512
        with tempfile.TemporaryDirectory(dir=FOLDER.parent) as folder:
            _unpack(answer.content, Path(folder) / "whole")
            (Path(folder) / "whole").rename(FOLDER)
    return FOLDER


def _unpack(package: bytes, folder: Path) -> None:
    """The browser, its libraries (lib) and fonts out of the package of npm."""
    import brotli

    folder.mkdir()
    with tarfile.open(fileobj=io.BytesIO(package)) as files:

        def part(name: str) -> bytes:
            return brotli.decompress(files.extractfile(f"package/bin/{name}.br").read())

        (folder / "chromium").write_bytes(part("chromium"))
        (folder / "chromium").chmod(0o755)
        for name in ("al2023.tar", "fonts.tar"):
            with tarfile.open(fileobj=io.BytesIO(part(name))) as inner:
                inner.extractall(folder, filter="data")
    (folder / "fonts.conf").write_text(FONTS)


def launch(playwright: Playwright, profile: Path) -> BrowserContext:
    """A running browser of 1280 x 720 pixels; what pages keep lies in the folder `profile`."""
    folder = chromium()
    return playwright.chromium.launch_persistent_context(
        profile,
        executable_path=folder / "chromium",
        args=["--disable-gpu"],
        chromium_sandbox=False,  # there is none for root
        env=os.environ | {"LD_LIBRARY_PATH": str(folder / "lib"), "FONTCONFIG_PATH": str(folder)},
        viewport={"width": 1280, "height": 720},
    )
