"""Stand-in weights of the real TotalSegmentator: networks that tell classes by HU alone.

All else of TotalSegmentator and of nnU-Net runs as it does with the real ones.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch

# Of its task `total`: id and folder of each model, its trainer, its spacing in mm
FAST = {297: "Dataset297_TotalSegmentator_total_3mm_1559subj"}
PARTS = {
    291: "Dataset291_TotalSegmentator_part1_organs_1559subj",
    292: "Dataset292_TotalSegmentator_part2_vertebrae_1532subj",
    293: "Dataset293_TotalSegmentator_part3_cardiac_1559subj",
    294: "Dataset294_TotalSegmentator_part4_muscles_1559subj",
    295: "Dataset295_TotalSegmentator_part5_ribs_1559subj",
}
TRAINERS = {3.0: "nnUNetTrainer_4000epochs_NoMirroring", 1.5: "nnUNetTrainerNoMirroring"}
FILTERS = ("resampling_fn_data", "resampling_fn_seg", "resampling_fn_probabilities")


class ByHu(torch.nn.Module):
    """A network whose class is that of `ranges` (low, high in HU, class) in which a voxel lies."""

    def __init__(self, input_channels, num_classes, ranges, deep_supervision=False):
        super().__init__()
        self.number, self.ranges = num_classes, ranges
        self.one = torch.nn.Parameter(torch.ones(1))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Scores (n, classes, z, y, x) of images (n, 1, z, y, x) in HU."""
        scores = torch.zeros(image.shape[:1] + (self.number,) + image.shape[2:])
        scores[:, 0] = 0.5
        for low, high, number in self.ranges:
            scores[:, number] = ((image[:, 0] > low) & (image[:, 0] <= high)).float()
        return scores * self.one


def write_weights(folder: Path, classes: dict[str, tuple[float, float]], fast: bool) -> None:
    """Write the models of `total`, which see `classes` between two HU, into a folder of weights."""
    from totalsegmentator.map_to_binary import (
        class_map,
        class_map_5_parts,
        map_taskid_to_partname_ct,
    )

    spacing = 3.0 if fast else 1.5
    for task, name in (FAST if fast else PARTS).items():
        numbers = class_map["total"] if fast else class_map_5_parts[map_taskid_to_partname_ct[task]]
        ranges = [[*classes[own], k] for k, own in numbers.items() if own in classes]
        write_model(folder / name, numbers, ranges, spacing)


def write_model(folder: Path, numbers: dict[int, str], ranges: list, spacing: float) -> None:
    """Write one model of nnU-Net: classes by number, `ranges` as `ByHu` has them, mm."""
    folder /= f"{TRAINERS[spacing]}__nnUNetPlans__3d_fullres"
    (folder / "fold_0").mkdir(parents=True)
    resampling = {"order": 1, "order_z": 0, "force_separate_z": None}
    kinds = {name: "resample_data_or_seg_to_shape" for name in FILTERS}
    kinds |= {f"{name}_kwargs": resampling | {"is_seg": name == FILTERS[1]} for name in FILTERS}
    configuration = {
        "data_identifier": "nnUNetPlans_3d_fullres",
        "preprocessor_name": "DefaultPreprocessor",
        "batch_size": 2,
        "patch_size": [64, 64, 64],
        "spacing": [spacing] * 3,
        "normalization_schemes": ["CTNormalization"],
        "use_mask_for_norm": [False],
        "batch_dice": False,
        "architecture": {
            "network_class_name": f"{__name__}.ByHu",
            "arch_kwargs": {"ranges": ranges},
            "_kw_requires_import": [],
        },
    }
    hu = {"mean": 0, "std": 1, "percentile_00_5": -1024, "percentile_99_5": 3071}
    plans = {
        "dataset_name": folder.parent.name,
        "plans_name": "nnUNetPlans",
        "image_reader_writer": "NibabelIOWithReorient",
        "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2],
        "label_manager": "LabelManager",
        "configurations": {"3d_fullres": configuration | kinds},
        "foreground_intensity_properties_per_channel": {"0": hu},
    }
    dataset = {
        "channel_names": {"0": "CT"},
        "labels": {"background": 0} | {name: k for k, name in numbers.items()},
        "file_ending": ".nii.gz",
    }
    (folder / "plans.json").write_text(json.dumps(plans))
    (folder / "dataset.json").write_text(json.dumps(dataset))
    checkpoint = {
        "network_weights": {"one": torch.ones(1)},
        "trainer_name": TRAINERS[spacing],
        "init_args": {"configuration": "3d_fullres"},
    }
    torch.save(checkpoint, folder / "fold_0" / "checkpoint_final.pth")
