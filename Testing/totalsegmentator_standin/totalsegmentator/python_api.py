"""The function of TotalSegmentator 2.18.0: its signature, output format and noise.

STANDIN in the environment is a JSON of what it does instead of segmenting: labels are those of the
NIfTI file `labels`, or class `numbers[k]` in the k-th of `ranges` of HU, with the `names` of its
classes. `fault` is what it raises, `ends` the signal by which it dies. It tells in the file `seen`
how it was called.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from pathlib import Path

import nibabel as nib
import numpy as np

from totalsegmentator.config import get_totalseg_dir, get_weights_dir

TABLE = (
    '<?xml version="1.0" encoding="UTF-8"?> <CaretExtension>  <Date>'
    '<![CDATA[2013-07-14T05:45:09]]></Date>   <VolumeInformation Index="0">   <LabelTable>\n{}'
    "  </LabelTable>  <StudyMetaDataLinkSet>  </StudyMetaDataLinkSet>  <VolumeType>"
    "<![CDATA[Label]]></VolumeType>   </VolumeInformation></CaretExtension>\n              "
)
LABEL = '<Label Key="{}" Red="1.0" Green="0.0" Blue="0.0" Alpha="1"><![CDATA[{}]]></Label>\n'


# fmt: off
def totalsegmentator(input, output=None, ml=False, nr_thr_resamp=1, nr_thr_saving=6,
                     fast=False, nora_tag="None", preview=False, task="total", roi_subset=None,
                     statistics=False, radiomics=False, crop_path=None, body_seg=False,
                     force_split=False, output_type="nifti", quiet=False, verbose=False, test=0,
                     skip_saving=False, device="gpu", license_number=None,
                     statistics_exclude_masks_at_border=True, no_derived_masks=False,
                     v1_order=False, fastest=False, roi_subset_robust=None,
                     stats_aggregation="mean", remove_small_blobs=False,
                     statistics_normalized_intensities=False, robust_crop=False,
                     higher_order_resampling_LEGACY=False, higher_order_resampling=False,
                     save_probabilities=None, debug=False, report=None, statistics_extra=False,
                     save_lowres=False, resampling_order=1, plans="nnUNetPlans", model_size="big"):
    # fmt: on
    ask = json.loads(os.environ["STANDIN"])
    called = {"ml": ml, "fast": fast, "task": task, "device": device, "roi_subset": roi_subset}
    settings = json.loads((get_totalseg_dir() / "config.json").read_text())
    seen = called | {"settings": settings, "weights": str(get_weights_dir())}
    Path(ask["seen"]).write_text(json.dumps(seen))
    print("Downloading model for Task 297 ...")
    print("\rDownloading: 100%|####| 1/1", file=sys.stderr)
    print("Predicting part 1 of 2 ...")
    os.system("echo noise of a child; echo noise of a child >&2")
    if "ends" in ask:
        os.kill(os.getpid(), ask["ends"])
    if "fault" in ask:
        module, name = ask["fault"][0].rsplit(".", 1)
        raise getattr(importlib.import_module(module), name)(ask["fault"][1])
    image = nib.load(input)
    canonical = nib.as_closest_canonical(image)
    if "labels" in ask:
        found = np.asarray(nib.as_closest_canonical(nib.load(ask["labels"])).dataobj)
    else:
        hu, found = canonical.get_fdata(), np.zeros(canonical.shape)
        for (low, high), number in zip(ask["ranges"], ask["numbers"]):
            found[(hu > low) & (hu <= high)] = number
    header = image.header.copy()
    header.set_data_dtype(np.uint8)
    turned = nib.orientations.ornt_transform(
        nib.orientations.axcodes2ornt("RAS"), nib.io_orientation(image.affine)
    )
    found = nib.orientations.apply_orientation(found.astype(np.uint8), turned)
    result = nib.Nifti1Image(found, image.affine, header)
    table = TABLE.format("".join(LABEL.format(k, name) for k, name in ask["names"]))
    result.header.extensions.append(nib.nifti1.Nifti1Extension(0, table.encode()))
    nib.save(result, output)
    return result
