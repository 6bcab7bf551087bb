"""What ends a training early, told in one line; the last checkpoint is whole in any case."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from LNGenLib.errors import InputError


@contextmanager
def told_faults(folder: Path, last: str = "last.ckpt") -> Iterator[None]:
    """InputError in place of what an exhausted memory or disk raises; it names the checkpoint
    `last` of `folder`, where there is one."""
    try:
        yield
    except Exception as error:  # safetensors has its own kind for a full disk
        what = _what(error)
        if what is None:
            raise
        left = folder / last
        kept = f"the same command resumes from {left}" if left.exists() else "start anew"
        raise InputError(f"{what}; {kept}") from error


def _what(error: Exception) -> str | None:
    import torch

    if isinstance(error, OSError):
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        return "the disk is full: free some of it" if full else None
    if isinstance(error, MemoryError | torch.cuda.OutOfMemoryError) or "DefaultCPUAllocator" in str(
        error
    ):
        return "the memory does not suffice: give a smaller patch or batch_size by --config"
    if "PytorchStreamWriter" in str(error) or "No space left" in str(error):
        return "the disk is full: free some of it"
    return None
