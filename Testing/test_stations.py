"""Landmarks and stations: where they lie in the phantom and in a real pelvis, and why not."""

from __future__ import annotations

import json

import numpy as np
import pytest
import SimpleITK as sitk
from PIL import Image
from shapes import tsdf_from_mask

from LNGenLib.errors import InputError
from LNGenLib.image.geometry import array_spacing, index_to_ras
from LNGenLib.image.grid import distance_to
from LNGenLib.image.io import as_ct, like, read_image, read_labels, to_array
from LNGenLib.placement.candidate_region import find_region, read_stations
from LNGenLib.placement.heuristic import place_nodes
from LNGenLib.placement.stations import PELVIC, STATION_NAMES, STATIONS, canonical_names
from LNGenLib.scan.labels import read_anatomy
from LNGenLib.scan.points import read_points
from LNGenLib.scan.totalsegmentator import NUMBERS, number_of
from LNGenLib.structure.shape import Structure

GRID = np.linalg.norm(np.mgrid[-12:12.1, -12:12.1, -12:12.1], axis=0)
BALL = Structure(tsdf_from_mask(GRID <= 10, (1.0, 1.0, 1.0))[0])
RNGS = [np.random.default_rng(k) for k in range(2)]


@pytest.fixture(scope="module")
def known(phantom):
    return read_stations(phantom.ct, phantom.labels)


@pytest.fixture(scope="module")
def pelvis(shared):
    ct = as_ct(read_image(shared / "ct/totalsegmentator_pelvis.nii.gz"))
    return ct, read_labels(shared / "ct/totalsegmentator_pelvis_seg.nii.gz", ct)


def without_labels(phantom, *names: str) -> sitk.Image:
    """The phantom's labels, but for some."""
    labels = to_array(phantom.labels)
    return like(np.where(np.isin(labels, [NUMBERS[name] for name in names]), 0, labels), phantom.ct)


def test_landmarks_of_the_phantom_lie_where_it_has_them(known):
    """Of the template, in mm of S, that is stretched by at most 4 %."""
    heights = known.landmarks.heights
    template = {
        "promontory": 40,
        "coccyx": -66,
        "femoral tops": -37,
        "aortic bifurcation": 95,
        "iliac bifurcation left": 46,
        "iliac bifurcation right": 46,
    }
    for name, height in template.items():
        assert heights[name] == pytest.approx(height, abs=8), name


def test_internal_iliac_vessels_are_told_from_external_ones(known):
    """The phantom's external ones run forward to the groin, its internal ones stay behind."""
    internal, external = (
        known.landmarks.points(f"{kind} iliac vessels") for kind in ("internal", "external")
    )
    low = [points[points[:, 2] < 10] for points in (internal, external)]
    assert np.percentile(low[0][:, 1], 95) < np.percentile(low[1][:, 1], 5)
    assert "internal iliac vessels" not in known.landmarks.estimated


def test_all_stations_are_found_in_the_phantom(known):
    assert known.stations.unavailable == {}
    assert set(np.unique(known.stations.station)) == set(range(len(STATION_NAMES) + 1))


@pytest.mark.parametrize("station", STATIONS, ids=STATION_NAMES)
def test_each_station_keeps_to_its_definition(known, station):
    marks, where = known.landmarks, known.stations.station == 1 + STATION_NAMES.index(station.name)
    off = distance_to(marks.masks[station.landmark], station.reach + 1, marks.spacing)[where]
    assert off.max() <= station.reach
    assert off == pytest.approx(known.stations.distance[where], abs=1e-3)
    r, a, s = index_to_ras(marks.grid, np.argwhere(where)).T
    for limit, side in ((station.low, 1), (station.high, -1)):
        if limit is not None:
            assert (side * (s - marks.heights[limit[0]] - limit[1]) >= -1e-6).all()
    assert np.abs(r - marks.midline).max() <= station.half_width
    density = known.stations.density[where]
    if station.name == "mesorectal":
        assert np.array_equal(density > 0.5, (off >= 4) & (off <= 15))
    else:
        assert np.corrcoef(density, off)[0, 1] < -0.99
    assert 0 < density.min() and density.max() <= 1


def test_presacral_fat_lies_before_the_sacrum_and_obturator_fat_within_the_hips(known):
    marks = known.landmarks
    points = {
        name: index_to_ras(
            marks.grid, np.argwhere(known.stations.station == 1 + STATION_NAMES.index(name))
        )
        for name in ("presacral", "obturator")
    }
    sacrum, hips = marks.points("sacrum"), marks.points("hips")
    for point in points["presacral"][::7]:
        off = np.linalg.norm(sacrum - point, axis=1)
        assert point[1] > sacrum[off <= off.min() + 0.1, 1].min()
    for point in points["obturator"][::7]:
        level = hips[(np.abs(hips[:, 2] - point[2]) < 3) & (hips[:, 0] * point[0] > 0)]
        assert abs(point[0]) < np.abs(level[:, 0]).max()


def test_landmarks_are_estimated_without_labels(phantom, known):
    alone = read_stations(phantom.ct, None)
    assert {"sacrum", "hips", "rectum", "femoral tops"} <= alone.landmarks.estimated
    for name in ("promontory", "coccyx", "femoral tops", "rectum top"):
        assert alone.landmarks.heights[name] == pytest.approx(known.landmarks.heights[name], abs=12)
    for name in ("rectum", "sacrum", "hips"):
        centers = [marks.points(name).mean(0) for marks in (alone.landmarks, known.landmarks)]
        assert np.linalg.norm(centers[0] - centers[1]) < 20
    assert "iliac vessels" in alone.stations.unavailable["external iliac"]


@pytest.mark.parametrize("orientation", ["RAI", "PIR"])
@pytest.mark.parametrize("labeled", [True, False])
def test_stations_do_not_depend_on_the_axes(phantom, orientation, labeled):
    volumes = []
    for axes in ("LPS", orientation):
        ct, labels = (sitk.DICOMOrient(image, axes) for image in (phantom.ct, phantom.labels))
        found = read_stations(ct, labels if labeled else None).stations.station
        volumes.append(np.bincount(found.ravel(), minlength=len(STATION_NAMES) + 1)[1:])
    assert volumes[1] == pytest.approx(volumes[0], rel=0.15, abs=30)


def test_missing_labels_make_stations_unavailable_with_the_reason(phantom):
    vessels = [name for name in NUMBERS if name.startswith("iliac")]
    known = read_stations(phantom.ct, without_labels(phantom, *vessels, "aorta"))
    for name in ("internal iliac", "external iliac", "common iliac", "inguinal"):
        assert "iliac vessels (labels 65-68)" in known.stations.unavailable[name]
    with pytest.raises(InputError, match="external iliac: no iliac vessels .* give the anatomy"):
        find_region(phantom.ct, without_labels(phantom, *vessels), stations=["external iliac"])


def test_a_scan_above_the_pelvis_is_refused_but_not_para_aortic_nodes(phantom):
    upper = phantom.ct[:, :, -15:], phantom.labels[:, :, -15:]
    with pytest.raises(InputError, match="no place for lymph nodes at the pelvic stations"):
        find_region(*upper)
    region = find_region(*upper, stations=["para-aortic"])
    assert [place.station for place in region.subregions] == ["para-aortic"]


def test_para_aortic_nodes_have_a_place_in_the_real_pelvis(pelvis):
    region = find_region(*pelvis, stations=["para-aortic"])
    assert len(region.subregions[0].candidates[0]) * np.prod(array_spacing(pelvis[0])) > 50_000


def test_real_landmarks_are_found_with_and_without_labels(pelvis):
    """Heights read off the labels: sacrum from 124, aorta down to 277, femora up to 148."""
    by_labels, alone = (read_stations(pelvis[0], labels) for labels in (pelvis[1], None))
    heights = by_labels.landmarks.heights
    assert heights["aortic bifurcation"] == pytest.approx(277, abs=3)
    assert heights["femoral tops"] == pytest.approx(148, abs=3)
    assert set(PELVIC).isdisjoint(by_labels.stations.unavailable)
    for name in ("femoral tops", "promontory", "rectum top", "coccyx"):
        assert alone.landmarks.heights[name] == pytest.approx(heights[name], abs=20)


def test_names_of_stations_are_read_as_people_write_them():
    assert canonical_names(["Internal-Iliac", "para aortic", "internal iliac"]) == (
        "internal iliac",
        "para-aortic",
    )
    with pytest.raises(InputError, match="no station axillary: there are mesorectal"):
        canonical_names(["axillary"])


def test_classes_are_known_by_name_in_any_order_of_words():
    assert number_of("iliac_artery_left") == number_of("Left common iliac artery") == 65
    assert number_of("iliac_vena_right") == number_of("right iliac vein") == 68
    assert number_of("vertebrae_S1") == number_of("S1 vertebra") == 26
    assert number_of("spleen") == 255


def test_a_folder_of_masks_is_read(phantom, tmp_path):
    labels = to_array(phantom.labels)
    for name in ("sacrum", "colon"):
        sitk.WriteImage(
            like((labels == NUMBERS[name]).astype(np.uint8), phantom.ct),
            str(tmp_path / f"{name}.nii.gz"),
        )
    sitk.WriteImage(
        like((labels == 18).astype(np.uint8), phantom.ct), str(tmp_path / "small_bowel.nii.gz")
    )
    found = to_array(read_anatomy(tmp_path, phantom.ct))
    for name in ("sacrum", "colon"):
        assert np.array_equal(found == NUMBERS[name], labels == NUMBERS[name])
    assert np.array_equal(found == 255, labels == 18)


def test_a_cropped_slicer_segmentation_with_layers_is_read(phantom, tmp_path):
    labels = to_array(phantom.labels)
    layers = np.stack([labels == NUMBERS["sacrum"], labels == NUMBERS["colon"]], -1)
    image = sitk.GetImageFromArray(layers.astype(np.uint8), isVector=True)
    image.CopyInformation(phantom.ct)
    for k, name in enumerate(("Sacrum", "Colon")):
        for key, value in (("Name", name), ("LabelValue", "1"), ("Layer", str(k))):
            image.SetMetaData(f"Segment{k}_{key}", value)
    path = tmp_path / "anatomy.seg.nrrd"
    cropped = image[4:-4, 4:-4, :]
    for key in image.GetMetaDataKeys():
        cropped.SetMetaData(key, image.GetMetaData(key))
    sitk.WriteImage(cropped, str(path))
    found = to_array(read_anatomy(path, phantom.ct))
    assert np.array_equal(found[:, 4:-4, 4:-4] == 25, layers[:, 4:-4, 4:-4, 0])
    assert np.array_equal(found[:, 4:-4, 4:-4] == 20, layers[:, 4:-4, 4:-4, 1])


@pytest.mark.parametrize("system, flip", [("LPS", -1), ("RAS", 1)])
def test_points_are_read_from_slicer_markups(tmp_path, system, flip):
    content = {
        "markups": [
            {
                "type": "Fiducial",
                "coordinateSystem": system,
                "controlPoints": [{"position": [1.0, 2.0, 3.0]}, {"position": [4, 5, 6]}],
            }
        ]
    }
    path = tmp_path / "points.mrk.json"
    path.write_text(json.dumps(content))
    assert read_points(path) == ((flip * 1, flip * 2, 3), (flip * 4, flip * 5, 6))


def test_the_command_writes_maps_that_slicer_knows(phantom, tmp_path, run_lngen):
    for name, image in (("ct", phantom.ct), ("labels", phantom.labels)):
        sitk.WriteImage(image, str(tmp_path / f"{name}.nii.gz"))
    out = tmp_path / "out"
    code, text, _ = run_lngen(
        [
            *("placement", str(tmp_path / "ct.nii.gz")),
            *("--anatomy", str(tmp_path / "labels.nii.gz"), "-o", str(out)),
        ]
    )
    assert code == 0 and "mesorectal" in text
    prior = to_array(read_image(out / "prior.nii.gz"))
    assert prior.min() == 0 and prior.max() == 1
    segments = read_image(out / "stations.seg.nrrd")
    numbers = to_array(segments)
    summary = json.loads((out / "stations.json").read_text())
    unasked = [row["label"] for row in summary["stations"] if row["weight"] == 0]
    assert [STATION_NAMES[label - 1] for label in unasked] == ["para-aortic", "inguinal"]
    assert np.array_equal((numbers > 0) & ~np.isin(numbers, unasked), prior > 0)
    assert [row["name"] for row in summary["stations"]] == list(STATION_NAMES)
    assert {"rectum", "superior rectal artery"} <= set(summary["estimated"])
    for k, row in enumerate(summary["stations"]):
        assert segments.GetMetaData(f"Segment{k}_Name") == row["name"]
        assert segments.GetMetaData(f"Segment{k}_LabelValue") == str(row["label"])
        volume = (numbers == row["label"]).sum() * 0.027
        assert volume == pytest.approx(row["volume_ml"], abs=0.01)
    assert sum(row["weight"] for row in summary["stations"]) == pytest.approx(1, abs=1e-3)
    share = [prior[numbers == row["label"]].sum() for row in summary["stations"]]
    assert np.array(share) / sum(share) == pytest.approx(
        [row["weight"] for row in summary["stations"]], abs=1e-3
    )
    assert Image.open(out / "stations.png").size[0] > 400


WITHOUT_PELVIS = (
    "ct/crlm1004.nii.gz",
    "ct/radiogenomics_r01_lower.nii.gz",
    "ct/deeplesion_000002_03_01_035-047.nii.gz",
    "masses/STS_001.nii.gz",
    "dicom/liver_slab",
)


@pytest.mark.parametrize("name", WITHOUT_PELVIS)
def test_without_a_pelvis_a_mask_still_works_and_stations_are_refused(shared, name):
    ct = as_ct(read_image(shared / name))
    with pytest.raises(InputError, match="no rectum is known"):
        find_region(ct, None)
    hu = to_array(ct)
    region = find_region(ct, None, (hu > -150) & (hu < -30))
    found = place_nodes([BALL] * 2, [4.0] * 2, region, array_spacing(ct), RNGS)
    for one in found:
        box = one.node.box(0)
        assert -150 < np.average(hu[box], weights=one.node.occupancy(box)) < -30
