"""The generators of the paper's Table II."""

from enum import Enum


class Variant(str, Enum):
    """How structures are generated."""

    explicit = "explicit"  # a DDPM on the mask volume
    implicit = "implicit"  # the latent DDPM of TSDFs, decoded
    implicit_adapter = "implicit-adapter"  # and repaired by the adapter: LN-Gen
