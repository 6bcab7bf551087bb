"""The trained models that a synthesis draws by, loaded once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from LNGenLib.errors import InputError
from LNGenLib.synthesis.method import Method

if TYPE_CHECKING:
    from LNGenLib.structure.ellipsoids import EllipsoidModel
    from LNGenLib.structure.model import StructureModel
    from LNGenLib.texture.model import TextureModel


@dataclass(frozen=True)
class Models:
    """The trained models, loaded once, and torch with them, when first used: shipped weights, or
    own by path.

    By the method `difftumor` structures are elastic ellipsoids, and `texture_weights` are those of
    the DiffTumor-style baseline.

        >>> from LNGenLib import Models
        >>> models = Models("cpu")  # one for many scans
        >>> models.texture.device
        'cpu'
    """

    device: str = "auto"
    structure_weights: Path | None = None
    texture_weights: Path | None = None
    method: Method = Method.lngen

    @cached_property
    def structure(self) -> StructureModel | EllipsoidModel:
        """The structure model on its device; InputError for unusable weights."""
        from LNGenLib.structure.ellipsoids import EllipsoidModel
        from LNGenLib.structure.model import StructureModel

        if self.method == Method.difftumor:
            return EllipsoidModel()
        return StructureModel(self.structure_weights, choose_device(self.device))

    @cached_property
    def texture(self) -> TextureModel:
        """The texture model on its device; InputError for unusable weights."""
        from LNGenLib.texture.difftumor import DiffTumorModel
        from LNGenLib.texture.model import TextureModel

        kind = DiffTumorModel if self.method == Method.difftumor else TextureModel
        return kind(self.texture_weights, choose_device(self.device))

    def limit_batches(self, most: int | None) -> None:
        """Sample at most `most` lymph nodes at a time, None for as many as usual.

        Smaller batches take less memory. On the CPU they give the same, on a GPU equal labels and
        HU within 1.
        """
        from LNGenLib.structure.model import BATCH as STRUCTURES
        from LNGenLib.texture.model import BATCH as TISSUES

        for name, usual in (("structure", STRUCTURES), ("texture", TISSUES)):
            if most is not None or name in vars(self):  # what is not loaded has no limit to lift
                getattr(self, name).batch = min(usual, most or usual)


def choose_device(device: str) -> str:
    """cpu or cuda; auto is cuda where there is one. Raises InputError."""
    if device not in ("auto", "cpu", "cuda"):
        raise InputError(f"device {device}: give auto, cpu or cuda")
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        raise InputError("no CUDA device is available: take the CPU")
    return "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"
