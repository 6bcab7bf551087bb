"""What drawn shapes come to beside the descriptors that they are drawn by."""

from __future__ import annotations

import numpy as np

from LNGenLib.latent.diffusion import StepCallback
from LNGenLib.randomness import node_seed
from LNGenLib.structure.descriptors import DESCRIPTORS, IRREGULARITY, describe
from LNGenLib.structure.model import StructureModel
from LNGenLib.structure.repair import is_sound
from LNGenLib.structure.shape_range import ANY_SHAPE


def measure_bias(
    model: StructureModel, count: int, seed: int, on_step: StepCallback | None = None
) -> tuple[float, ...]:
    """By how much the descriptors (11,) of `count` shapes that `model` draws exceed, on average,
    those that they were drawn by.

    Networks see few long shapes and draw rounder ones than they are asked for. Irregularity does
    not count: shapes exceed it too, but are smoother than real ones still. Shapes that are not
    sound do not count either; where none is, the bias is not known and 0.
    """
    seed = node_seed(seed, 0, "bias")
    drawn = model.draw(count, seed, attempts=1, on_step=on_step)
    over = [
        describe(tsdf) - model.networks.prior.draw(ANY_SHAPE, seed, number)
        for number, tsdf in enumerate(drawn)
        if is_sound(tsdf) and (tsdf < 0).sum() > 1  # one sample has no second moments
    ]
    bias = np.mean(over, 0, float) if over else np.zeros(DESCRIPTORS)
    bias[IRREGULARITY] = 0
    return tuple(bias.tolist())
