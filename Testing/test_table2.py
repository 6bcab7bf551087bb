"""Table II, small enough for a test: few shapes, an explicit variant of two steps."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from functools import cache

import numpy as np
import pytest
import torch
from scipy import ndimage

from LNGenLib.benchmark import explicit, table2
from LNGenLib.benchmark.explicit import (
    ExplicitConfig,
    ExplicitTask,
    as_mask,
    equal_steps,
    step_tflops,
    training_tflops,
)
from LNGenLib.benchmark.gallery import COLUMNS, LABEL, PIXELS, gallery
from LNGenLib.errors import InputError
from LNGenLib.evaluation.shape.descriptors import measure_shapes
from LNGenLib.evaluation.shape.surfaces import RealSurfaces
from LNGenLib.progress import SILENT, Progress
from LNGenLib.structure.frame import GRID, SAMPLE
from LNGenLib.structure.networks import StructureConfig
from LNGenLib.structure.ovoids import ovoid
from LNGenLib.structure.tsdf import truncated_distance
from LNGenLib.validation import from_json

TINY = StructureConfig(
    copies=0,
    ovoids=4,
    vae_channels=8,
    latent_channels=2,
    unet_channels=(8, 16),
    adapter_channels=8,
    solid_steps=0,
    vae_steps=1,
    joint_steps=4,
    batch_size=2,
)
TINY_EXPLICIT = {"unet_channels": [8, 16], "batch_size": 2}
SPLIT = np.array(["train"] * 22 + ["validation"] * 2 + ["test"] * 2)


MADE: dict[int, tuple[list[np.ndarray], np.random.Generator]] = {}


def ovoids(count: int, seed: int) -> np.ndarray:
    """The first ovoids of a seed, each of which is made once."""
    made, rng = MADE.setdefault(seed, ([], np.random.default_rng(seed)))
    while len(made) < count:
        made.append(ovoid(10.0, rng))
    return np.stack(made[:count])


@pytest.fixture(scope="module")
def training(tmp_path_factory):
    """A folder as `lngen train structure` leaves it, of surfaces of 17 and of 25 mm."""
    folder = tmp_path_factory.mktemp("training")
    count = 2 * len(SPLIT)
    np.savez(
        folder / "structure.npz",
        tsdf=ovoids(count, 0).astype(np.float16),
        long_axis_mm=np.repeat([17.0, 25.0], len(SPLIT)),
        dice=np.full(count, 0.95),
        volume_ratio=np.ones(count),
        single=np.full(count, True),
        split=np.tile(SPLIT, 2),
    )
    settings = {"part": "structure", "config": dataclasses.asdict(TINY), "seed": 0}
    (folder / "settings.json").write_text(json.dumps(settings))
    return folder


def test_the_compute_is_equal_and_fully_counted():
    structure, config = StructureConfig(), ExplicitConfig()
    wanted = training_tflops(structure)
    assert equal_steps(structure, config) * step_tflops(config) == pytest.approx(wanted, rel=1e-3)
    more = dataclasses.replace(structure, joint_steps=structure.joint_steps + 1)
    extra = training_tflops(more) - wanted
    drawn = dataclasses.replace(structure, joint_steps=0)
    assert extra == pytest.approx((wanted - training_tflops(drawn)) / structure.joint_steps)
    wider = dataclasses.replace(config, batch_size=2 * config.batch_size)
    assert step_tflops(wider) == pytest.approx(2 * step_tflops(config))


def test_the_explicit_loss_falls_where_one_shape_is_learned():
    config = from_json(ExplicitConfig, TINY_EXPLICIT)
    torch.manual_seed(0)
    networks = explicit.ExplicitNetworks(config, 3)
    networks.prior.table.copy_(torch.randn(3, 12))
    task = ExplicitTask(networks, 60, 3e-3)
    masks = torch.from_numpy(np.sign(ovoids(1, 1)).astype(np.int8))[:, None]
    batch = masks.expand(4, -1, -1, -1, -1), torch.zeros(4, 12)
    optimizer, losses = torch.optim.Adam(task.parameters(), 3e-3), []
    for _ in range(60):
        loss = task.loss(batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert np.mean(losses[-10:]) < 0.5 * np.mean(losses[:10])


def test_the_explicit_variant_trains_once_and_draws_by_seed_and_number(training, tmp_path):
    stages = []

    def trained():
        config = from_json(ExplicitConfig, TINY_EXPLICIT)
        return table2.trained_explicit(
            training, tmp_path, config, 0, Progress(lambda *a: stages.append(a[0]))
        )

    model = trained()
    drawn = model.draw(range(3), [17.0, 17.0, 25.0], 1)
    assert drawn.shape == (3, GRID, GRID, GRID) and drawn.dtype == np.float32
    assert "explicit" in stages and (tmp_path / "corpus.npz").exists()
    assert model.tflops == pytest.approx(training_tflops(TINY), rel=0.05)
    stages.clear()
    again = trained()
    assert "explicit" not in stages
    np.testing.assert_allclose(again.draw([2], [25.0], 1)[0], drawn[2], atol=1e-4)
    other = from_json(ExplicitConfig, TINY_EXPLICIT | {"batch_size": 3})
    with pytest.raises(InputError, match="made by other settings"):
        table2.trained_explicit(training, tmp_path, other, 0, SILENT)


def test_a_mask_keeps_the_inside_and_loses_what_is_finer_than_a_sample():
    axis = (np.arange(GRID) - (GRID - 1) / 2) * SAMPLE
    radius = np.linalg.norm(np.meshgrid(axis, axis, axis, indexing="ij"), axis=0)
    ball = truncated_distance(radius - 0.8)
    mask = as_mask(ball)
    assert ((mask < 0) == (ball < 0)).all()
    smooth, stepped = (measure_shapes(t[None])["sphericity"][0] for t in (ball, mask))
    assert stepped < smooth - 0.05


def plates(numbers: Sequence[int], *_) -> np.ndarray:
    """A bad variant: thin ellipsoids."""
    axis = (np.arange(GRID) - (GRID - 1) / 2) * SAMPLE
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    return np.stack(
        [
            truncated_distance(np.sqrt((z / (0.15 + 0.005 * k)) ** 2 + y**2 + x**2) - 1)
            for k in numbers
        ]
    )


def draw(thinner: float):
    """A stand-in for a variant: ovoids, of which every third has an island."""

    def drawn(numbers: Sequence[int], long_axes: Sequence[float], seed: int) -> np.ndarray:
        shapes = ovoids(len(numbers), seed)
        shapes += np.float32(thinner * SAMPLE)
        shapes[::3, 1:3, 1:3, 1:3] = -0.1
        return shapes

    return drawn


ELLIPSOIDS = cache(table2.ellipsoids)  # of both bins and both tests


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(table2, "COUNT", 21)
    monkeypatch.setattr(table2, "ellipsoids", ELLIPSOIDS)


@pytest.mark.slow
def test_the_rows_set_good_shapes_apart_from_bad(training, few):
    real = RealSurfaces(
        ovoids(80, 0),
        np.repeat([17.0, 25.0], 40),
        valid=np.full(80, True),
        single=np.full(80, True),
        split=np.full(80, "train"),
        dice=np.ones(80),
        volume_ratio=np.ones(80),
    )
    valid = lambda numbers, *_: ovoids(len(numbers), 5)  # noqa: E731
    variants = {"valid": valid, "islands": draw(0), "plates": plates}
    found = table2.compare(real, variants, 0, SILENT)
    assert list(found) == ["14-20 mm", "20-31 mm"]
    rows = found["14-20 mm"].scores
    assert list(rows) == [
        "real (halves)",
        "real, as masks",
        "valid",
        "islands",
        "plates",
        "Gaussian in PCA space",
        "half-SD noise",
        "elastic ellipsoids",
    ]
    assert rows["valid"].form.valid == 1
    assert rows["islands"].form.valid == pytest.approx(2 / 3)
    halves, close = rows["real (halves)"].closeness, rows["valid"].closeness
    assert (halves.number, close.number) == (20, 21)
    bad = rows["plates"].closeness  # not its precision: the wide ball of one outlier may hold them
    assert bad.recall.value < 0.1 and close.recall.value > 0.8
    assert bad.coverage.value < 0.1 and close.coverage.value > 0.7
    assert close.precision.value == pytest.approx(halves.precision.value, abs=0.2)
    assert rows["real, as masks"].form.sphericity < rows["real (halves)"].form.sphericity - 0.05
    assert found["20-31 mm"].shapes["valid"].shape == (21, GRID, GRID, GRID)
    with pytest.raises(InputError, match="0 training surfaces of 14-20 mm are too few"):
        table2.compare(real.where(real.long_axis > 20), {}, 0, SILENT)
    empty = {"untrained": lambda numbers, *_: np.ones((len(numbers), GRID, GRID, GRID))}
    with pytest.raises(InputError, match="untrained: shapes without an inside"):
        table2.compare(real, empty, 0, SILENT)


@pytest.mark.slow
def test_the_command_prints_the_table_and_writes_figures_and_picture(
    run_lngen, training, tmp_path, few, monkeypatch
):
    class Model:
        """In place of shipped weights: ovoids, thinner where they are not adapted."""

        def __init__(self, path):
            self.networks = type("Networks", (), {"config": TINY})

        def draw(self, numbers, long_axes, seed, adapted=True):
            return draw(0.0 if adapted else 0.3)(numbers, long_axes, seed)

    explicit = type("Explicit", (), {"draw": staticmethod(draw(0.0)), "tflops": 3.0})
    monkeypatch.setattr(table2, "trained_explicit", lambda *_: explicit)
    monkeypatch.setattr("LNGenLib.structure.model.StructureModel", Model)
    monkeypatch.setattr("LNGenLib.cli.benchmark.console.width", 400, raising=False)
    monkeypatch.setattr("LNGenLib.benchmark.gallery.COLUMNS", 1)
    config, picture, output = (tmp_path / name for name in ("c.json", "shapes.png", "bench"))
    config.write_text(json.dumps(TINY_EXPLICIT))
    command = f"benchmark table2 --data {training} -o {output} --config {config}"
    code, out, err = run_lngen([*command.split(), "--gallery", str(picture)])
    assert code == 0, err
    for words in ("implicit + adapter", "half-SD noise", "2.5-97.5 %", "3 TFLOP (explicit)"):
        assert words in out
    found = json.loads((output / "table2.json").read_text())
    assert found.pop("software").startswith("LNGen")
    assert set(found) == {"14-20 mm", "20-31 mm"}
    assert found["14-20 mm"]["implicit"]["form"]["count"] == 21
    assert found["14-20 mm"]["explicit"]["closeness"]["number"] == 21
    assert picture.stat().st_size > 10_000
    config.write_text('{"steps": 3}')
    code, _, err = run_lngen(command.split())
    assert code == 2 and "the explicit configuration has no steps: it has unet_channels" in err


def test_data_without_shapes_are_refused(tmp_path):
    with pytest.raises(InputError, match="holds neither structure.npz nor nodes.csv"):
        table2.prepared(tmp_path, tmp_path, SILENT)


def test_the_gallery_shows_a_row_a_set_and_shades_by_the_light():
    axis = (np.arange(GRID) - (GRID - 1) / 2) * SAMPLE
    radius = np.linalg.norm(np.meshgrid(axis, axis, axis, indexing="ij"), axis=0)
    balls = np.stack([truncated_distance(radius - size) for size in (0.9, 0.45)])
    picture = np.asarray(gallery({"balls": balls, "again": balls[:1]}).convert("L"), float)
    assert picture.shape == (2 * PIXELS, LABEL + COLUMNS * PIXELS)
    cells = [picture[:PIXELS, LABEL + k * PIXELS :][:, :PIXELS] for k in range(3)]
    areas = [(cell < 255).mean() for cell in cells]
    wanted = [np.pi * (size / 2.4) ** 2 for size in (0.9, 0.45)]
    assert areas[:2] == pytest.approx(wanted, rel=0.05) and areas[2] == 0
    assert (picture[:PIXELS, :LABEL] < 128).any()  # the label
    upper, lower = np.split(np.where(cells[0] < 255, cells[0], np.nan), 2)
    assert np.nanmean(upper) > np.nanmean(lower) + 20
    assert ndimage.label(cells[0] < 255)[1] == 1
