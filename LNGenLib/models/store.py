"""How weights are saved, found, checked and loaded: safetensors and a JSON, no pickles."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

import torch
from torch import nn

from LNGenLib import __version__
from LNGenLib.errors import InputError
from LNGenLib.files import read_json, write_bytes, write_json
from LNGenLib.validation import from_json

SHIPPED = Path(__file__).parent


def sha256(path: Path) -> str:
    """Hex SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def save_weights(module: nn.Module, config: Any, path: Path) -> None:
    """Write half-precision weights to `path` (.safetensors), config and hash to the .json beside.

    `config` is a dataclass.
    """
    from safetensors.torch import save

    tensors = {
        name: tensor.detach().half().cpu().contiguous()
        for name, tensor in module.state_dict().items()
    }
    write_bytes(save(tensors), path)
    description = {
        "version": __version__,
        "sha256": sha256(path),
        "config": dataclasses.asdict(config),
    }
    write_json(description, path.with_suffix(".json"))


def read_description(path: Path) -> dict[str, Any]:
    """The JSON beside the weights `path`, after checking the weights' SHA-256 against it.

    Raises InputError where a file is missing or damaged.
    """
    description = path.with_suffix(".json")
    for file in (path, description):
        if not file.is_file():
            raise InputError(
                f"no model file {file}: give the .safetensors that `lngen train` wrote"
            )
    try:
        content = read_json(description)
        expected, _ = content["sha256"], content["config"]
    except (InputError, KeyError) as error:
        raise InputError(f"{description} is no description of weights: get it again") from error
    if sha256(path) != expected:
        raise InputError(f"{path} does not match the SHA-256 in {description}: get it again")
    return content


def config_of(kind: type, description: dict[str, Any]) -> Any:
    """The configuration dataclass `kind` from a model's description.

    Raises InputError where the description is of another kind of model.
    """
    try:
        return from_json(kind, description["config"])
    except InputError as error:
        raise InputError(
            f"the weights are of another model ({error}): give structure weights for structure, "
            "texture weights for texture"
        ) from error


def load_weights(module: nn.Module, path: Path, device: str | torch.device) -> nn.Module:
    """Load weights written by `save_weights` into `module`, in single precision, for inference.

    Raises InputError for weights of other networks.
    """
    from safetensors.torch import load_file

    try:
        module.load_state_dict(load_file(path))
    except RuntimeError as error:
        raise InputError(
            f"{path} holds weights of other networks than LNGen {__version__} has: train them again"
        ) from error
    return module.float().to(device).eval()
