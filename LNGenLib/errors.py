"""Errors whose message is written for the user."""


class InputError(ValueError):
    """Something the user gave can't be used; the message says what, and the way out.

    The command line turns it into exit code 2 and one line on stderr.
    """


class OutputError(InputError):
    """What was made can't be written, as on a full disk; nothing of it stays."""


def is_out_of_memory(error: Exception) -> bool:
    """Whether an error is that of torch or Python where memory does not suffice."""
    import torch

    kinds = MemoryError | torch.cuda.OutOfMemoryError
    return isinstance(error, kinds) or "DefaultCPUAllocator" in str(error)


class Canceled(Exception):
    """The caller's cancel check answered True; nothing was written."""
