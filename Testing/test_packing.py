"""HU as .nii.gz, packed by ISA-L: what is in the file is what ITK writes, and any reader opens it.

And what is unpacked by it, or by zlib where it is missing.
"""

from __future__ import annotations

import gzip
import subprocess
import sys
import threading
import zlib
from pathlib import Path
from tempfile import TemporaryDirectory

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st
from small_disk import quota

from LNGenLib.errors import InputError, OutputError
from LNGenLib.image import io, writing
from LNGenLib.image.io import marked_synthetic, read_image, to_array, write_image, write_images
from LNGenLib.image.packing import PIECE
from LNGenLib.image.stored import read_head
from LNGenLib.image.verify import check_written
from LNGenLib.image.writing import packs

SIZES = st.lists(st.integers(1, 5), min_size=2, max_size=4)
LENGTHS = st.floats(0.01, 1000)
PLACES = st.floats(-3000, 3000)
TURNS = st.tuples(*[st.floats(-np.pi, np.pi)] * 3)


def hu(shape=(40, 100, 160), seed=0) -> sitk.Image:
    """A CT of noise, by default of more than one piece."""
    values = np.random.default_rng(seed).integers(-900, 900, shape).astype(np.int16)
    return marked_synthetic(sitk.GetImageFromArray(values, isVector=False))


def content_of_itk(image: sitk.Image, folder: Path) -> bytes:
    sitk.WriteImage(image, str(folder / "itk.nii"))
    return (folder / "itk.nii").read_bytes()


@given(SIZES, st.data())
def test_the_content_is_that_which_itk_writes(size, data):
    image = hu(size[::-1])
    image.SetSpacing([data.draw(LENGTHS) for _ in size])
    image.SetOrigin([data.draw(PLACES) for _ in size])
    if len(size) == 3:
        turn = sitk.Euler3DTransform((0, 0, 0), *data.draw(TURNS)).GetMatrix()
        flips = np.diag([data.draw(st.sampled_from((-1.0, 1.0))) for _ in size])
        image.SetDirection((np.reshape(turn, (3, 3)) @ flips).ravel().tolist())
    with TemporaryDirectory() as folder:
        path = Path(folder, "ct.nii.gz")
        assert packs(image, path)
        write_image(image, path)
        assert gzip.decompress(path.read_bytes()) == content_of_itk(image, Path(folder))


@pytest.mark.parametrize("codes", [(1, 1), (0, 2), (4, 0), (0, 0)])
def test_what_a_ct_brings_along_stays_in_its_header(tmp_path, codes):
    """Tags of the header it was read from."""
    affine = np.array([[-0.8, 0, 0, 12.0], [0, 0.7, 0, -3.0], [0, 0, 2.5, 1.0], [0, 0, 0, 1.0]])
    source = nibabel.Nifti1Image(to_array(hu((4, 5, 6))), affine)
    source.set_qform(affine, codes[0])
    source.set_sform(affine, codes[1])
    source.header["descrip"], source.header["aux_file"] = b"of a scanner", b"colors"
    source.header["intent_name"], source.header["cal_max"] = b"abdomen", 300
    nibabel.save(source, tmp_path / "source.nii")
    for image in (read_image(tmp_path / "source.nii"), sitk.ReadImage(tmp_path / "source.nii")):
        assert image.GetMetaDataKeys()
        write_image(image, tmp_path / "ct.nii.gz")
        content = gzip.decompress((tmp_path / "ct.nii.gz").read_bytes())
        assert content == content_of_itk(image, tmp_path)


def test_other_readers_open_it(tmp_path):
    image = hu()
    write_image(image, tmp_path / "ct.nii.gz")
    assert np.array_equal(to_array(sitk.ReadImage(str(tmp_path / "ct.nii.gz"))), to_array(image))
    of_nibabel = np.asarray(nibabel.load(tmp_path / "ct.nii.gz").dataobj)
    assert np.array_equal(of_nibabel.T, to_array(image))
    member = zlib.decompressobj(31)
    member.decompress((tmp_path / "ct.nii.gz").read_bytes())
    assert member.eof and not member.unused_data  # one member, which any reader of gzip takes


def test_the_file_does_not_depend_on_the_cpus(tmp_path, monkeypatch):
    files = set()
    for cpus in (1, 2, 7):
        monkeypatch.setattr(writing, "usable_cpus", lambda cpus=cpus: cpus)
        write_image(hu(), tmp_path / "ct.nii.gz")
        files.add((tmp_path / "ct.nii.gz").read_bytes())
    assert len(files) == 1


def test_a_ct_is_hardly_larger_than_by_itk(tmp_path, phantom):
    write_image(phantom.ct, tmp_path / "ct.nii.gz")
    sitk.WriteImage(phantom.ct, str(tmp_path / "itk.nii.gz"), useCompression=True)
    own, of_itk = ((tmp_path / f"{name}.nii.gz").stat().st_size for name in ("ct", "itk"))
    assert own <= 1.15 * of_itk


def test_a_file_that_can_not_grow_is_an_error_and_leaves_nothing(tmp_path):
    before = threading.active_count()
    for most in (0, 200, 3000, PIECE // 2, 1_000_000):
        with quota(most), pytest.raises(OutputError, match="ct.nii.gz can't be written whole"):
            write_image(hu(), tmp_path / "ct.nii.gz")
        assert not list(tmp_path.iterdir())
    assert threading.active_count() == before


def test_of_several_images_each_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    def check(path, image):
        if path.name == "ct.nii.gz":
            raise OSError("ct.nii.gz was not written whole")
        check_written(path, image)

    monkeypatch.setattr(io, "check_written", check)
    (tmp_path / "ct.nii.gz").write_text("old")
    labels = sitk.GetImageFromArray(np.ones((3, 4, 5), np.uint8))
    names = {"ct": hu(), "nodes": labels, "changed": labels}
    with pytest.raises(OutputError, match="ct.nii.gz can't be written"):
        write_images({tmp_path / f"{name}.nii.gz": image for name, image in names.items()})
    assert (tmp_path / "ct.nii.gz").read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 3
    for name in ("nodes", "changed"):
        assert np.array_equal(to_array(read_image(tmp_path / f"{name}.nii.gz")), to_array(labels))


@pytest.mark.parametrize("noise", [True, False])
@pytest.mark.parametrize("size", [1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE])
def test_content_of_any_length_is_unpacked(tmp_path, size, noise):
    content = np.random.default_rng(0).bytes(size) if noise else bytes(size)
    packed, path = gzip.compress(content), tmp_path / "some.gz"
    path.write_bytes(packed + gzip.compress(b"more"))
    assert read_head(path, size + 9) == (content + b"more", True)
    for lacking in (1, 7, 8, 9):
        path.write_bytes(packed[:-lacking])
        with pytest.raises(InputError, match="is cut"):
            read_head(path, size + 9)
    path.write_bytes(packed[:-8] + bytes([packed[-8] ^ 1]) + packed[-7:])
    with pytest.raises(InputError, match="is damaged"):
        read_head(path, size + 9)


def test_zlib_steps_in_where_isa_l_is_missing(tmp_path):
    write_image(hu(), tmp_path / "given.nrrd")
    code = (
        "import sys; sys.modules['isal'] = None\n"
        "from LNGenLib.image.io import read_image, write_image\n"
        "for end in ('nii.gz', 'nrrd', 'mha'): write_image(read_image(sys.argv[1]), f'ct.{end}')\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "given.nrrd")]
    subprocess.run(command, check=True, cwd=tmp_path)
    for end in ("nii.gz", "nrrd", "mha"):
        assert np.array_equal(to_array(read_image(tmp_path / f"ct.{end}")), to_array(hu()))
