"""Damaged files of every format are refused with a reason or read exactly, without a traceback."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from damage import ENDINGS, FORMATS, KINDS, files_of, is_guarded, sample, write

from LNGenLib.errors import InputError
from LNGenLib.image.affine import affine_of
from LNGenLib.image.io import read_image, to_array

IMAGES, CUTS, FLIPS = 14, 4, 6  # of each format; damages of each kind of each image


def read(path: Path) -> sitk.Image | None:
    """The image, or None where it is refused."""
    try:
        return read_image(path)
    except InputError as error:
        assert len(str(error).splitlines()) == 1 and str(path.parent) in str(error), error
        return None


def same(image: sitk.Image, other: sitk.Image) -> bool:
    """Whether voxels and place are equal."""
    return (
        image.GetPixelID() == other.GetPixelID()
        and np.array_equal(to_array(image), to_array(other))
        and np.allclose(affine_of(image), affine_of(other), atol=1e-3)
    )


@pytest.fixture(params=FORMATS, ids=lambda format: format.name)
def images(request, tmp_path):
    """Images of a format of all pixel types: (format, image as it is read, folder, generator)."""
    made = []
    for number in range(IMAGES):
        rng = np.random.default_rng(number)
        image = sample(rng, KINDS[number % len(KINDS)])
        folder = tmp_path / f"{number}"
        folder.mkdir()
        write(image, request.param, folder)
        whole = read(folder / request.param.files[0])
        assert whole is not None
        if request.param.name != "DICOM":
            assert same(whole, image)
        made.append((request.param, whole, folder, rng))
    return made


def test_a_cut_file_is_refused_or_read_exactly(images, capfd):
    for format, whole, folder, rng in images:
        for file in files_of(format, folder):
            content = file.read_bytes()
            for length in (0, len(content) - 1, *rng.integers(len(content), size=CUTS)):
                file.write_bytes(content[:length])
                found = read(folder / format.files[0])
                assert found is None or same(found, whole), (file, length)
            file.write_bytes(content)
    assert capfd.readouterr().err == ""


def test_a_flipped_byte_is_refused_where_a_checksum_guards_it(images, capfd):
    for format, whole, folder, rng in images:
        for file in files_of(format, folder):
            content = file.read_bytes()
            for position in rng.integers(len(content), size=FLIPS):
                guarded = is_guarded(format, file, position)
                damaged = bytearray(content)
                damaged[position] ^= 1 << rng.integers(8)
                file.write_bytes(damaged)
                found = read(folder / format.files[0])
                if guarded:
                    assert found is None or same(found, whole), (file, position)
                file.write_bytes(content)
    assert capfd.readouterr().err == ""


def test_a_wrong_ending_is_refused_or_read_exactly(images, capfd):
    for format, whole, folder, _ in images:
        if format.name == "DICOM":
            continue
        path = folder / format.files[0]
        for ending in ENDINGS:
            other = folder / f"other{ending}"
            shutil.copy(path, other)
            found = read(other)
            assert found is None or same(found, whole), other
            other.unlink()
    assert capfd.readouterr().err == ""
