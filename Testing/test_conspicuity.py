"""Tests of conspicuity: it tells what is seen in a painted scan, and what is left out for it."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage, stats
from shapes import tsdf_from_mask

from LNGenLib.cli.synthesis import _warn_of_unseen
from LNGenLib.datasets import dataset
from LNGenLib.datasets.cases import read_cases
from LNGenLib.datasets.dataset import make_dataset
from LNGenLib.datasets.manifest import DatasetSettings
from LNGenLib.errors import InputError
from LNGenLib.files import read_json
from LNGenLib.placement.candidate_region import NoPlace
from LNGenLib.scan import Scan
from LNGenLib.structure.lymph_node import LymphNode
from LNGenLib.structure.shape import Structure
from LNGenLib.structure.sizes import Sizes
from LNGenLib.synthesis.engine import paint, plan, synthesize
from LNGenLib.synthesis.painting import ScanTraits, blend_all, conspicuity
from LNGenLib.synthesis.plan import Phase
from LNGenLib.synthesis.planning import HardlySeen
from LNGenLib.synthesis.request import SynthesisRequest
from LNGenLib.texture.blending import Tissue
from LNGenLib.texture.patch import PATCH, patch_step

FAT, MUSCLE = -100, 60
TRAITS = ScanTraits(0.8, Phase(140.0, 60.0, "given"))
REQUEST = SynthesisRequest(4, Sizes("uniform", 4, 10), 2, texture_steps=2, structure_steps=4)


def ball() -> Structure:
    z, y, x = np.indices((41,) * 3) - 20
    return Structure(tsdf_from_mask(z**2 + y**2 + x**2 <= 256, (1, 1, 1))[0])


def painted(noise: float, spacing: np.ndarray, seed: int) -> list[tuple[float, float]]:
    """Conspicuity, and contrast-to-noise ratio as measured, of six nodes in fat between muscle."""
    rng = np.random.default_rng(seed)
    shape = np.ceil([40, 120, 120] / spacing).astype(int)
    clean = np.full(shape, FAT)
    clean[..., : shape[2] // 4] = clean[..., -shape[2] // 4 :] = MUSCLE
    hu = np.round(clean + rng.normal(0, noise, shape)).astype(np.int16)
    centers = [(20, y, x) for y in (20, 60, 100) for x in (45, 75)]
    sizes, means = rng.uniform(3, 12, 6), rng.uniform(0, 120, 6).tolist()
    nodes = [
        LymphNode(ball(), size, np.eye(3), (center + rng.uniform(-1, 1, 3)) / spacing, spacing)
        for size, center in zip(sizes, centers)
    ]
    tissues = [
        Tissue(np.full((PATCH,) * 3, mean, np.float32), patch_step(size))
        for mean, size in zip(means, sizes)
    ]
    told = [conspicuity(hu, *one, TRAITS.edge_spread) for one in zip(nodes, means)]
    painting = blend_all(hu.copy(), nodes, tissues, means, seed, TRAITS, range(6))
    assert painting.conspicuity == told  # whatever is painted beside it
    found = []
    for k in range(6):
        own = painting.labels == k + 1
        off = ndimage.distance_transform_edt(~own, sampling=spacing)
        ring = painting.hu[(off > 3) & (off < 6) & (painting.changed == 0)]
        found.append(abs(painting.hu[own].mean() - ring.mean()) / ring.std())
    return list(zip(told, found))


def test_conspicuity_ranks_nodes_as_measured_contrast_over_noise_does():
    scans = [(10, (1, 0.7, 0.7)), (20, (2.5, 0.8, 0.8)), (30, (5, 0.8, 0.8)), (20, (5, 1, 1))]
    pairs = [
        pair
        for seed, (noise, spacing) in enumerate(scans)
        for pair in painted(noise, np.array(spacing), seed)
    ]
    told, found = np.array(pairs).T
    assert stats.spearmanr(told, found).statistic >= 0.9
    assert np.median(found / told) == pytest.approx(0.75, abs=0.15)  # a label's mean, not its peak


@pytest.fixture(scope="module")
def drawn(phantom, models):
    """A scan, the plan in it, and what is painted by it."""
    scan = Scan(phantom.ct, phantom.labels)
    made = plan(scan, REQUEST, models)
    return scan, made, paint(scan, made, models=models)


def test_nodes_that_are_less_conspicuous_than_asked_for_are_left_out(drawn, models):
    scan, made, result = drawn
    seen = sorted(record.conspicuity for record in result.records)
    between = (seen[1] + seen[2]) / 2
    picky = replace(REQUEST, least_conspicuity=between)
    fewer = synthesize(scan, picky, models)
    kept = [node["long_axis_mm"] for node in fewer.provenance["plan"]["nodes"]]
    assert min(record.conspicuity for record in fewer.records) >= round(between, 2)
    left_out = fewer.provenance["plan"]["unseen_mm"]
    assert len(kept) >= 2 and left_out
    assert sorted([*kept, *left_out]) == sorted(node.long_axis_mm for node in made.nodes)
    with pytest.raises(
        NoPlace, match="none of 4 lymph nodes would reach a conspicuity of 100: ask for larger"
    ):
        plan(scan, replace(REQUEST, least_conspicuity=100.0), models)


def test_commands_name_the_nodes_that_can_hardly_be_seen(drawn, capsys):
    records = drawn[2].records
    _warn_of_unseen([replace(record, conspicuity=1.5) for record in records])
    assert not capsys.readouterr().out
    _warn_of_unseen([replace(records[0], conspicuity=1.49), replace(records[1], conspicuity=None)])
    assert capsys.readouterr().out == f"1 lymph node can hardly be seen: LN {records[0].label}\n"


def test_data_sets_count_by_size_what_is_left_out(crops, models, tmp_path):
    def made(least: float) -> tuple[dict, list[float]]:
        folder = tmp_path / str(least)
        sizes = Sizes("uniform", 5.0, 9.0)
        settings = DatasetSettings(3, (4, 4), sizes, 2, least_conspicuity=least)
        make_dataset(read_cases(crops), folder, 1, settings, models)
        manifest = json.loads((folder / "manifest.json").read_text())
        record = read_json(folder / f"records/{manifest['cases'][0]['id']}.json")
        return manifest, [one["conspicuity"] for one in record["records"]]

    every, seen = made(0.0)
    assert every["hardly_seen"] == {} and len(seen) > 1
    least = (min(seen) + max(seen)) / 2
    fewer, left = made(least)
    assert 1 <= len(left) < len(seen) and min(left) >= round(least, 2)
    assert len(fewer["cases"][0]["hardly_seen_mm"]) == len(seen) - len(left)
    assert fewer["hardly_seen"] == {"5 to 10 mm": len(seen) - len(left)}


@pytest.mark.parametrize("value", [-1.0, float("nan"), 101.0])
def test_a_least_conspicuity_out_of_range_is_refused(value):
    with pytest.raises(InputError, match="least conspicuity"):
        SynthesisRequest(least_conspicuity=value)
    with pytest.raises(InputError, match="least conspicuity"):
        DatasetSettings(least_conspicuity=value)


def test_what_is_hardly_seen_is_not_painted_off_its_stations(crops, models, tmp_path, monkeypatch):
    """As nodes are, for which there is no room at stations."""
    asked = []

    def too_faint(scan, request, models):
        asked.append(scan.region)
        raise HardlySeen("too faint")

    monkeypatch.setattr(dataset, "synthesize", too_faint)
    with pytest.raises(InputError, match="or none that can be seen"):
        make_dataset(read_cases(crops)[:1], tmp_path, 1, DatasetSettings(count=(1, 1)), models)
    assert asked == [None]
