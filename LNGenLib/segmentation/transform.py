"""A MONAI transform that paints lymph nodes into training cases as they are loaded."""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform, Randomizable
from monai.utils import MAX_SEED, convert_to_dst_type, convert_to_numpy, get_seed

from LNGenLib.datasets.online import paint_into
from LNGenLib.datasets.pool import Pool
from LNGenLib.errors import InputError
from LNGenLib.randomness import case_seed
from LNGenLib.synthesis.engine import Models


class SynthesizeLymphNodesd(Randomizable, MapTransform):
    """Paints lymph nodes of a pool into an image, and 1 into its label where they are.

    `keys` are those of the CT and of its label map, MetaTensors (1, x, y, z) as LoadImaged and
    EnsureChannelFirstd give them, or turned: before or after cropping, before any change of HU.
    Slices are axial: they lie along the axis that the affine shows to be nearest to S. Voxels of a
    label other than 0 are real lymph nodes, which are kept off. Voxels beyond a synthetic one and
    its rim stay bit for bit. With a pool of `lngen pool --painted` no network runs.

    A case gets `count` (fewest, most) lymph nodes with probability `prob`, fewer where they find no
    room. What it gets depends on the seed, the case and the epoch alone, not on workers or order:
    call `set_epoch` when an epoch begins. The case is `data[id_key]`, or else the image's file name
    and folder; cases of the pool get lymph nodes where the pool found places. Without a `seed`
    it is that of `monai.utils.set_determinism`, called before, or a random one.
    """

    def __init__(
        self,
        keys: KeysCollection = ("image", "label"),
        pool: str | Path = "pool",
        prob: float = 1.0,
        count: tuple[int, int] = (1, 5),
        seed: int | None = None,
        id_key: str = "id",
        device: str = "cpu",
    ):
        super().__init__(keys)
        if len(self.keys) != 2:
            raise InputError(f"keys {self.keys}: give two, of the image and of the label")
        if not 1 <= count[0] <= count[1]:
            raise InputError(f"count {count}: give (fewest, most), 1 at least")
        self.pool, self.prob, self.count, self.id_key = Pool(Path(pool)), prob, count, id_key
        if not len(self.pool):
            raise InputError(f"{pool} is an empty pool: make one with lngen pool")
        self.models = Models(device)
        if seed is None:
            seed = get_seed()
        self.seed = np.random.SeedSequence().entropy % MAX_SEED if seed is None else seed
        self._epoch = _Shared()
        self._last: dict[str, int] = {}  # epoch in which this process saw a case

    def set_epoch(self, epoch: int) -> None:
        """Draw anew from now on, in worker processes too."""
        self._epoch.value[0] = epoch

    def set_random_state(
        self, seed: int | None = None, state: np.random.RandomState | None = None
    ) -> SynthesizeLymphNodesd:
        """Changes nothing: a worker's own random state would make the draws depend on workers."""
        return self

    def randomize(self, data: tuple[str, int]) -> None:
        """Draw for a case (id, epoch): its seed, and how many lymph nodes it gets."""
        self._case_seed = case_seed(self.seed, *data)
        rng = np.random.default_rng(self._case_seed)
        painted = rng.uniform() < self.prob
        self._count = int(rng.integers(self.count[0], self.count[1] + 1)) if painted else 0

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """The case with lymph nodes; InputError for an image that is no CT with its geometry."""
        result = dict(data)
        image, label = (data[key] for key in self.keys)
        case, epoch = self._case(data, image), int(self._epoch.value[0])
        self._warn_of_repetition(case, epoch)
        self.randomize((case, epoch))
        if not self._count:
            return result
        affine, order = _geometry(image, case)
        arrays = [_voxels(value, case) for value in (image, label)]
        # only seen in another order: to turn all voxels of a scan takes longer than to paint
        hu, labels = (array[0].transpose(order) for array in arrays)
        if hu.shape != labels.shape:
            raise InputError(f"case {case}: image {hu.shape} and label {labels.shape} differ")
        low = hu.min()
        if low >= 0 or (low >= -1 and hu.max() <= 1):
            raise InputError(f"case {case} is not in HU: synthesize before scaling intensity")
        spacing = np.linalg.norm(affine[:3, :3], axis=0)
        painting = paint_into(
            *(hu, labels, spacing, self.pool, self._count, self._case_seed, self.models),
            spots=_inside(self.pool.spots(case), affine, hu.shape),
            traits=self.pool.traits(case, spacing),
            enhancement=self.pool.enhancement(case),
        )
        if painting is None:
            return result
        for node in painting.nodes:
            labels[node.box][node.label] = 1
        for key, array, like in zip(self.keys, arrays, (image, label)):
            result[key] = convert_to_dst_type(array, like)[0]
        return result

    def _case(self, data: Mapping[Hashable, Any], image: Any) -> str:
        if self.id_key in data:
            return str(data[self.id_key])
        name = getattr(image, "meta", {}).get("filename_or_obj")
        if not name:
            raise InputError(f"a case without an id: give data[{self.id_key!r}]")
        return "/".join(Path(str(name)).parts[-2:])

    def _warn_of_repetition(self, case: str, epoch: int) -> None:
        if self._last.get(case) == epoch:
            warnings.warn(
                f"case {case} gets the lymph nodes it had before: call set_epoch(epoch) when an "
                "epoch begins",
                stacklevel=3,
            )
        self._last[case] = epoch


class _Shared:
    """A number that worker processes see; copies of a transform keep the same one."""

    def __init__(self):
        self.value = torch.zeros(1, dtype=torch.int64).share_memory_()

    def __deepcopy__(self, memo: dict) -> _Shared:
        return self


def _geometry(image: Any, case: str) -> tuple[np.ndarray, list[int]]:
    """The order of axes that makes the image (z, y, x), and the affine (4, 4) from indices in that
    order to RAS mm."""
    if not hasattr(image, "affine"):
        raise InputError(f"case {case}: give a MetaTensor, whose affine tells the spacing")
    affine = convert_to_numpy(image.affine).astype(float)
    unit = np.abs(affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0))
    slices = int(unit[2].argmax())  # nearest to S; of the others the one nearest to A comes next
    order = [slices, *sorted({0, 1, 2} - {slices}, key=lambda axis: -unit[1, axis])]
    return affine[:, [*order, 3]], order


def _voxels(value: Any, case: str) -> np.ndarray:
    """A copy of the voxels (1, ...)."""
    array = convert_to_numpy(value)
    if array.ndim != 4 or array.shape[0] != 1:
        raise InputError(f"case {case} has the shape {tuple(array.shape)}: give (1, x, y, z)")
    return array.copy()


def _inside(points: np.ndarray, affine: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The voxels (n, 3; z, y, x) of RAS points that lie in the image."""
    index = (points - affine[:3, 3]) @ np.linalg.inv(affine[:3, :3]).T
    index = np.round(index).astype(int)
    return index[((index >= 0) & (index < shape)).all(1)]
