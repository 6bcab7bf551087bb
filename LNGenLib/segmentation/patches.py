"""Training patches, each drawn from (seed, its number): equal for any number of workers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor, get_track_meta, set_track_meta
from monai.transforms import (
    Compose,
    RandFlipd,
    RandGaussianNoised,
    RandRotate90d,
    RandScaleIntensityd,
    RandShiftIntensityd,
)
from torch.utils.data import Dataset, Sampler

from LNGenLib.datasets.label_values import IGNORED
from LNGenLib.image.hu import normalize
from LNGenLib.randomness import node_rng, node_seed
from LNGenLib.segmentation.config import SegmentationConfig
from LNGenLib.segmentation.preparing import Prepared

AIR = -1024

Transform = Callable[[dict[str, Any]], dict[str, Any]]


class Patches(Dataset):
    """Patches of cases drawn evenly: `image` (1, z, y, x) in [-1, 1] and `label` (1, z, y, x), 1 in
    lymph nodes and 2 in what is ignored.

    Every second one is on a lymph node, small ones as often as large ones, the others anywhere: a
    batch of two has both, for the loss to weigh what is found where there is none.

    `online` is a map transform (`SynthesizeLymphNodesd`) that each patch goes through while it is
    in HU; it is given the case (`id`), the patch's affine and its number (`turn`).
    """

    def __init__(
        self,
        cases: Sequence[Prepared],
        config: SegmentationConfig,
        seed: int,
        online: Transform | None = None,
    ):
        self.cases, self.config, self.seed, self.online = list(cases), config, seed, online
        keys = ("image", "label")
        turns = [RandRotate90d(keys, 0.5, 3, (1, 2))] if config.patch[1] == config.patch[2] else []
        self.augment = Compose(
            [RandFlipd(keys, 0.5, axis) for axis in range(3)]
            + turns
            + [
                RandShiftIntensityd("image", 0.1, prob=0.5),
                RandScaleIntensityd("image", 0.1, prob=0.5),
                RandGaussianNoised("image", prob=0.25, std=0.05),
            ]
        )

    def __len__(self) -> int:
        return self.config.steps * self.config.batch_size

    def __getitem__(self, number: int) -> dict[str, torch.Tensor]:
        rng = node_rng(self.seed, number, "patch")
        case = self.cases[rng.integers(len(self.cases))]
        if number % 2 == 0 and case.nodes:
            voxels = case.nodes[rng.integers(len(case.nodes))]
            reach = np.array(self.config.patch) // 4
            center = voxels[rng.integers(len(voxels))] + rng.integers(-reach, reach)
        else:
            center = rng.integers(case.hu.shape)
        start = center - np.array(self.config.patch) // 2
        item = self._cut(case, start)
        if self.online is not None:
            affine = case.affine.copy()
            affine[:3, 3] += affine[:3, :3] @ start
            located = {key: MetaTensor(patch, affine) for key, patch in item.items()}
            item = self.online(located | {"id": case.id, "turn": number})
        image = torch.from_numpy(normalize(np.asarray(item["image"])))
        label = torch.as_tensor(np.asarray(item["label"]))
        label = torch.where(label == IGNORED, IGNORED, label > 0).float()
        self.augment.set_random_state(node_seed(self.seed, number, "augmentation") % 2**32)
        with _untracked():
            item = self.augment({"image": image, "label": label})
        return {key: item[key].contiguous() for key in ("image", "label")}

    def _cut(self, case: Prepared, start: np.ndarray) -> dict[str, torch.Tensor]:
        """The patch (1, z, y, x) that begins at `start`, in HU; beyond the scan is air."""
        size = np.array(self.config.patch)
        source = tuple(
            slice(max(a, 0), max(min(a + n, m), 0)) for a, n, m in zip(start, size, case.hu.shape)
        )
        inside = tuple(slice(s.start - a, s.stop - a) for s, a in zip(source, start))
        item = {}
        for key, array, outside in (("image", case.hu, AIR), ("label", case.mask, 0)):
            patch = np.full(size, outside, np.float32)
            patch[inside] = array[source]
            item[key] = torch.from_numpy(patch)[None]
        return item


@contextmanager
def _untracked() -> Iterator[None]:
    """MONAI records no transforms: nobody asks for them, and it takes as long as turning does."""
    tracked = get_track_meta()
    set_track_meta(False)
    try:
        yield
    finally:
        set_track_meta(tracked)


class Whole(Dataset):
    """Whole cases, for validation, as `Patches` gives them."""

    def __init__(self, cases: Sequence[Prepared]):
        self.cases = cases

    def __len__(self) -> int:
        return len(self.cases)

    def __getitem__(self, number: int) -> dict[str, torch.Tensor]:
        case = self.cases[number]
        return {
            "image": torch.from_numpy(normalize(case.hu))[None],
            "label": torch.from_numpy(np.array(case.mask))[None],
        }


class InOrder(Sampler):
    """The patches of each epoch, so that a resumed training goes on with those it has not seen."""

    def __init__(self, config: SegmentationConfig):
        self.count, self.epoch = config.steps_an_epoch * config.batch_size, 0

    def set_epoch(self, epoch: int) -> None:
        """Lightning tells which epoch begins."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.epoch * self.count, (self.epoch + 1) * self.count))
