"""What ends a training early, told in one line; the last checkpoint is whole in any case."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from LNGenLib.errors import InputError, OutputError
from LNGenLib.output import FULL


@contextmanager
def told_faults(folder: Path, last: str = "last.ckpt") -> Iterator[None]:
    """InputError in place of what an exhausted memory raises, OutputError of what a disk does; it
    names the newest checkpoint `last` (a pattern) of `folder`, where there is one."""
    try:
        yield
    except Exception as error:  # safetensors has its own kind for a full disk
        told = _told(error)
        if told is None:
            raise
        found = sorted(folder.glob(last), key=lambda path: path.stat().st_mtime)
        kept = f"the same command resumes from {found[-1]}" if found else "the same command goes on"
        raise type(told)(f"{told}; {kept}") from error


def _told(error: Exception) -> InputError | None:
    import torch

    if isinstance(error, MemoryError | torch.cuda.OutOfMemoryError) or "DefaultCPUAllocator" in str(
        error
    ):
        return InputError(
            "the memory does not suffice: give a smaller patch or batch_size by --config"
        )
    if isinstance(error, OutputError):
        return error
    if getattr(error, "errno", None) in FULL or any(
        words in str(error) for words in ("PytorchStreamWriter", "No space left")
    ):
        return OutputError("the disk is full: free some of it")
    return None
