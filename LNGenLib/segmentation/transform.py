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

from LNGenLib.datasets.identity import case_of
from LNGenLib.datasets.online import paint_into
from LNGenLib.datasets.pool import Pool
from LNGenLib.errors import InputError
from LNGenLib.randomness import case_seed
from LNGenLib.synthesis.models import Models
from LNGenLib.validation import whole

SAME = 0.01  # mm, of two affines
SUSPICIOUS = 100  # cases without room in a row, of which a warning tells
MOST_KEPT = 10_000  # places that are remembered, to warn of a repetition


class SynthesizeLymphNodesd(Randomizable, MapTransform):
    """Paints lymph nodes of a pool into an image, and `label_value` into its label where they are.

    `keys` are those of the CT and of its label map, MetaTensors (1, x, y, z) as LoadImaged and
    EnsureChannelFirstd give them, or turned: before or after cropping, before any change of HU.
    Slices are axial: they lie along the axis that the affine shows to be nearest to S. Voxels of a
    label other than 0 are real lymph nodes, which are kept off. Voxels beyond a synthetic one and
    its rim stay bit for bit. With a pool of `lngen pool --painted` no network runs.

    An image gets `count` (fewest, most) lymph nodes with probability `prob`, fewer where they find
    no room: a patch without fat stays as it is. What it gets depends on the seed, its case, where
    it lies and the epoch alone, not on workers or order: call `set_epoch` when an epoch begins, or
    give `data["turn"]`, a number that is taken in place of the epoch.

    The case is `data[id_key]`, or else that of the image's file (`case_of`). Cases of the pool get
    lymph nodes where the pool found places; others, of which a warning tells once, in any fat
    beneath the skin. Without a `seed` it is that of `monai.utils.set_determinism`, called before,
    or a random one.

        >>> from pathlib import Path
        >>> from monai.transforms import Compose, EnsureChannelFirstd, LoadImaged
        >>> from LNGenLib import Models, Sizes
        >>> from LNGenLib.datasets.cases import read_cases
        >>> from LNGenLib.datasets.drawing import make_pool
        >>> from LNGenLib.image.io import write_image
        >>> from LNGenLib.phantom import pelvic_phantom
        >>> from LNGenLib.segmentation import SynthesizeLymphNodesd
        >>> phantom = pelvic_phantom(spacing=(4.0, 4.0, 4.0))
        >>> Path("cts").mkdir()
        >>> write_image(phantom.ct, Path("cts/pelvis.nii.gz"))
        >>> write_image(phantom.ct * 0, Path("label.nii.gz"))
        >>> sizes = Sizes("uniform", 10.0, 14.0)  # mm
        >>> make_pool(read_cases("cts"), Path("pool"), 2, sizes, seed=0, models=Models())
        {}
        >>> keys = ("image", "label")
        >>> synthesize = SynthesizeLymphNodesd(keys, "pool", count=(1, 2), seed=0)
        >>> load = Compose([LoadImaged(keys), EnsureChannelFirstd(keys), synthesize])
        >>> case = load({"image": "cts/pelvis.nii.gz", "label": "label.nii.gz"})
        >>> case["label"].unique().tolist()
        [0.0, 1.0]
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
        label_value: int = 1,
    ):
        super().__init__(keys)
        if len(self.keys) != 2:
            raise InputError(f"keys {self.keys}: give two, of the image and of the label")
        if np.shape(count) != (2,):
            raise InputError(f"count {count}: give (fewest, most)")
        self.count = tuple(whole(value, "count") for value in count)
        if not 1 <= self.count[0] <= self.count[1]:
            raise InputError(f"count {count}: give (fewest, most), 1 at least")
        if not isinstance(prob, float | int | np.number) or not 0 <= prob <= 1:  # NaN is not
            raise InputError(f"prob {prob!r}: give a probability, 0 to 1")
        if not whole(label_value, "label_value"):
            raise InputError("label_value 0 is the background: give another")
        self.pool, self.prob = Pool(Path(pool)), prob
        self.id_key, self.label_value = id_key, label_value
        if not len(self.pool):
            raise InputError(f"{pool} is an empty pool: make one with lngen pool")
        self.models = Models(device)
        if seed is None:
            seed = get_seed()
        random = np.random.SeedSequence().entropy % MAX_SEED
        self.seed = random if seed is None else whole(seed, "seed")
        self._epoch = _SharedEpoch()
        self._painted: set[str] = set()  # what this process painted into while no epoch was set
        self._empty: int | None = 0  # cases without room so far, None once one had some
        self._strangers: set[str] = set()  # cases, unknown to the pool, of which it has warned

    def set_epoch(self, epoch: int) -> None:
        """Draw anew from now on, in worker processes too."""
        self._epoch.values[:] = torch.tensor([epoch, 1])

    def set_random_state(
        self, seed: int | None = None, state: np.random.RandomState | None = None
    ) -> SynthesizeLymphNodesd:
        """Changes nothing: a worker's own random state would make the draws depend on workers."""
        return self

    def randomize(self, data: tuple[str, int]) -> None:
        """Draw for a place of a case (its name, epoch): its seed, and how many lymph nodes it
        gets."""
        self._case_seed = case_seed(self.seed, *data)
        rng = np.random.default_rng(self._case_seed)
        painted = rng.uniform() < self.prob
        self._count = int(rng.integers(self.count[0], self.count[1] + 1)) if painted else 0

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """The case with lymph nodes; InputError for an image that is no CT with its geometry."""
        result = dict(data)
        image, label = (data[key] for key in self.keys)
        affine, order = _geometry(image, str(data.get(self.id_key, "without an id")))
        case = self._case(data, image)
        arrays = [_voxels(value, case) for value in (image, label)]
        # only seen in another order: to turn all voxels of a scan takes longer than to paint
        hu, labels = (array[0].transpose(order) for array in arrays)
        _check_label(labels, hu, label, image, case, self.label_value)
        epoch, is_set = self._epoch.values.tolist()
        if data.get("turn") is not None:
            epoch, is_set = whole(data["turn"], "turn"), True
        place = f"{case} at {_field_of_view(affine, hu.shape)}"
        self.randomize((place, epoch))
        if not self._count:
            return result
        _check_hu(hu, case)
        arrays = [array.copy() for array in arrays]
        hu, labels = (array[0].transpose(order) for array in arrays)
        if not self.pool.knows(case):
            self._warn_of_stranger(case)
        painting = paint_into(
            hu, labels, affine, case, self.pool, self._count, self._case_seed, self.models
        )
        if painting is None:
            self._warn_of_nothing()
            return result
        self._empty = None
        if not is_set:
            self._warn_of_repetition(case, place)
        for node in painting.nodes:
            labels[node.box][node.label] = self.label_value
        for key, array, like in zip(self.keys, arrays, (image, label)):
            result[key] = convert_to_dst_type(array, like)[0]
        return result

    def _case(self, data: Mapping[Hashable, Any], image: Any) -> str:
        if self.id_key in data:
            return case_of(str(data[self.id_key]))
        name = getattr(image, "meta", {}).get("filename_or_obj")
        if not name:
            raise InputError(f"a case without an id: give data[{self.id_key!r}]")
        return case_of(str(name))

    def _warn_of_repetition(self, case: str, place: str) -> None:
        """Where one process paints the same twice, and no epoch was ever set."""
        if place in self._painted:
            warnings.warn(
                f"case {case} gets the lymph nodes it had before: call set_epoch(epoch) when an "
                "epoch begins",
                stacklevel=3,
            )
        elif len(self._painted) < MOST_KEPT:
            self._painted.add(place)

    def _warn_of_nothing(self) -> None:
        """Where no lymph node found room in any of the first cases."""
        if self._empty is not None:
            self._empty += 1
            if self._empty == SUSPICIOUS:
                warnings.warn(
                    f"no lymph node found room in the first {SUSPICIOUS} cases: are they in HU, "
                    "and is fat in sight?",
                    stacklevel=3,
                )

    def _warn_of_stranger(self, case: str) -> None:
        if case not in self._strangers:
            known = ", ".join(list(self.pool.description["cases"])[:3])
            warnings.warn(
                f"the pool {self.pool.folder} does not know the case {case}: lymph nodes lie in "
                f"any of its fat (the pool is of {known}; data[{self.id_key!r}] names a case)",
                stacklevel=3,
            )
        self._strangers.add(case)


class _SharedEpoch:
    """The epoch, as worker processes see it, too; copies of a transform keep the same one."""

    def __init__(self):
        self.values = torch.zeros(2, dtype=torch.int64).share_memory_()  # number; whether set

    def __deepcopy__(self, memo: dict) -> _SharedEpoch:
        return self


def _geometry(image: Any, case: str) -> tuple[np.ndarray, list[int]]:
    """The order of axes that makes the image (z, y, x), and the affine (4, 4) from indices in that
    order to RAS mm."""
    if not hasattr(image, "affine"):
        raise InputError(
            f"case {case}: give a MetaTensor, whose affine tells where it lies (track_meta=True in "
            "MONAI's transforms and set_track_meta)"
        )
    affine = convert_to_numpy(image.affine).astype(float)
    if not np.isfinite(affine).all() or not np.linalg.det(affine[:3, :3]):
        raise InputError(f"case {case} has an affine that tells no place: mend its header")
    unit = np.abs(affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0))
    slices = int(unit[2].argmax())  # nearest to S; of the others the one nearest to A comes next
    order = [slices, *sorted({0, 1, 2} - {slices}, key=lambda axis: -unit[1, axis])]
    return affine[:, [*order, 3]], order


def _voxels(value: Any, case: str) -> np.ndarray:
    """The voxels (1, x, y, z), as they are."""
    array = convert_to_numpy(value)
    if array.ndim != 4 or array.shape[0] != 1:
        raise InputError(f"case {case} has the shape {tuple(array.shape)}: give (1, x, y, z)")
    return array


def _check_label(
    labels: np.ndarray, hu: np.ndarray, label: Any, image: Any, case: str, value: int
) -> None:
    """InputError where the label map is not on the image's grid, or does not take the `value`."""
    if hu.shape != labels.shape:
        raise InputError(f"case {case}: image {hu.shape} and label {labels.shape} differ")
    own = convert_to_numpy(getattr(label, "affine", image.affine))
    stated = not np.array_equal(own, np.eye(4))  # which is what a MetaTensor has by default
    if stated and not np.allclose(own, convert_to_numpy(image.affine), atol=SAME):
        raise InputError(f"case {case}: image and label lie on different grids: resample one")
    if labels.dtype.kind in "iu" and value > np.iinfo(labels.dtype).max:
        raise InputError(f"label_value {value} is more than a label of {labels.dtype} holds")


def _check_hu(hu: np.ndarray, case: str) -> None:
    """InputError where voxels (z, y, x) are plainly scaled; soft tissue, air or padding alone is
    not."""
    low, high = float(hu.min()), float(hu.max())
    if -1 <= low and high <= 1 and (hu != np.round(hu)).any():
        raise InputError(
            f"case {case} is not in HU: synthesize before scaling intensity (values {low:g} to "
            f"{high:g})"
        )


def _field_of_view(affine: np.ndarray, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Where an image lies: middle and extent in RAS (mm / 10), equal for any order of its axes."""
    middle = affine[:3, :3] @ (np.array(shape) - 1) / 2 + affine[:3, 3]
    extent = np.abs(affine[:3, :3]) @ shape
    # round numbers, of which there are many, stay off the border at which rounding errors count
    return tuple(np.floor(np.concatenate([middle, extent]) * 10 + 0.37).astype(int).tolist())
