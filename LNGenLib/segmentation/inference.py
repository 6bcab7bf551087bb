"""A trained network on a CT: sliding windows, and a label image in the CT's geometry."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path

import numpy as np
import SimpleITK as sitk
import torch
from monai.inferers import SlidingWindowInferer
from torch import nn

from LNGenLib.files import read_json
from LNGenLib.image.hu import normalize
from LNGenLib.image.io import as_ct, like, to_array
from LNGenLib.models.store import load_weights, read_description
from LNGenLib.progress import SILENT, Progress
from LNGenLib.segmentation.config import NNUNET, WEIGHTS, SegmentationConfig, check_model
from LNGenLib.segmentation.networks import build
from LNGenLib.segmentation.preparing import resampled
from LNGenLib.synthesis.models import choose_device
from LNGenLib.validation import from_json

OVERLAP = 0.25
WINDOWS = 2  # at a time


def slide(network: nn.Module, image: torch.Tensor, config: SegmentationConfig) -> torch.Tensor:
    """Probabilities (n, 2, z, y, x) of an image (n, 1, z, y, x) in [-1, 1]."""
    inferer = SlidingWindowInferer(config.patch, WINDOWS, OVERLAP, mode="gaussian", cval=-1)
    return inferer(image, network).float().softmax(1)


class Segmentor(ABC):
    """A trained segmentation model."""

    @abstractmethod
    def probability(self, ct: sitk.Image, progress: Progress = SILENT) -> sitk.Image:
        """Of a lymph node, 0 to 1 (float32), at each voxel of the CT."""

    def segment(self, ct: sitk.Image, progress: Progress = SILENT) -> sitk.Image:
        """Lymph nodes as 1 (uint8) in the CT's geometry."""
        found = self.probability(ct, progress)
        return like((to_array(found) >= 0.5).astype(np.uint8), ct)


def load_segmentor(folder: Path, device: str = "auto") -> Segmentor:
    """The model that `lngen train segmentation` left in a folder. Raises InputError for none."""
    check_model(folder)
    kind = NnUNetSegmentor if (folder / NNUNET).exists() else NetworkSegmentor
    return kind(folder, choose_device(device))


class NnUNetSegmentor(Segmentor):
    """A model that nnunetv2 trained, by its own predictor."""

    def __init__(self, folder: Path, device: str):
        from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

        from LNGenLib.segmentation.nnunet import CONFIGURATION, FOLD, quicken, use_folders

        configuration = read_json(folder / NNUNET).get("configuration", CONFIGURATION)
        trained = str(use_folders(folder, configuration).parent)
        self.predictor = nnUNetPredictor(
            use_mirroring=False, device=torch.device(device), allow_tqdm=False
        )
        self.predictor.initialize_from_trained_model_folder(trained, (FOLD,), "checkpoint_best.pth")
        quicken(self.predictor.network, device)

    def probability(self, ct: sitk.Image, progress: Progress = SILENT) -> sitk.Image:
        """Of a lymph node, 0 to 1 (float32), at each voxel of the CT."""
        ct = as_ct(ct)
        properties = {"spacing": list(ct.GetSpacing()[::-1])}
        _, found = self.predictor.predict_single_npy_array(
            to_array(ct)[None].astype(np.float32), properties, None, None, True
        )
        return like(found[1].astype(np.float32), ct)


class NetworkSegmentor(Segmentor):
    """One of MONAI's networks."""

    def __init__(self, folder: Path, device: str):
        weights = folder / WEIGHTS
        self.config = from_json(SegmentationConfig, read_description(weights)["config"])
        self.network = load_weights(build(self.config), weights, device)
        self.device = device

    @torch.inference_mode()
    def probability(self, ct: sitk.Image, progress: Progress = SILENT) -> sitk.Image:
        """Of a lymph node, 0 to 1 (float32), at each voxel of the CT."""
        ct = as_ct(ct)
        fine = resampled(ct, self.config.spacing_mm, -1024)
        image = torch.from_numpy(normalize(to_array(fine)))[None, None].to(self.device)
        done = 0

        def counted(windows: torch.Tensor) -> torch.Tensor:
            nonlocal done
            done += len(windows)
            progress.step(done, max(done, _windows(image.shape[2:], self.config.patch)))
            return self.network(windows)

        with torch.autocast(self.device, torch.bfloat16):
            found = slide(counted, image, self.config)[0, 1].cpu().numpy()
        found = like(found, fine)
        if fine is ct:
            return found
        return sitk.Resample(found, ct, sitk.Transform(), sitk.sitkLinear, 0.0)


def _windows(shape: tuple[int, ...], patch: tuple[int, ...]) -> int:
    """How many windows cover a volume, as MONAI lays them."""
    steps = [max(int(size * (1 - OVERLAP)), 1) for size in patch]
    return int(np.prod([1 + max(0, -(-(n - p) // s)) for n, p, s in zip(shape, patch, steps)]))
