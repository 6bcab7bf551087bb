"""What ends a training early, in one line; the last checkpoint is whole in any case."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from LNGenLib.errors import InputError, OutputError, is_out_of_memory
from LNGenLib.files import FULL


@contextmanager
def explained_faults(folder: Path, last: str = "last.ckpt") -> Iterator[None]:
    """InputError in place of what an exhausted memory raises, OutputError of what a disk does; it
    names the newest checkpoint `last` (a pattern) of `folder`, where there is one."""
    try:
        yield
    except Exception as error:  # safetensors has its own kind for a full disk
        explained = _explained(error)
        if explained is None:
            raise
        found = sorted(folder.glob(last), key=lambda path: path.stat().st_mtime)
        kept = f"the same command resumes from {found[-1]}" if found else "the same command goes on"
        raise type(explained)(f"{explained}; {kept}") from error


def _explained(error: Exception) -> InputError | None:
    if is_out_of_memory(error):
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
