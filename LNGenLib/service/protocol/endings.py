"""Why a process ended, as its user is told. Standard library only: both ends import it."""

from __future__ import annotations

import re
import signal

LONGEST = 300  # characters of a reason
NAMES_ERROR = re.compile(r"(?:[\w.]*(?:Error|Exception)|Fatal Python error): .*")
OF_LNGEN = re.compile(r"LNGenLib\.errors\.\w+: ")  # before a message that is a user's already


def why_ended(code: int | None, log: str = "") -> str:
    """What tells most of how a process ended: the signal that ended it, else what it wrote last.

    `code` is its exit code, minus the signal where there was one, None where it did not end;
    `log` is what it wrote, of which the last line that names an error counts, or the last one.
    """
    if code is not None and code < 0:
        perhaps = ", perhaps since memory ran out" if -code == getattr(signal, "SIGKILL", 9) else ""
        return f"it was ended (signal {-code}){perhaps}"
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    errors = [line for line in lines if NAMES_ERROR.fullmatch(line)]
    if lines:
        return OF_LNGEN.sub("", (errors or lines)[-1])[:LONGEST]
    if code is None:
        return "it gave no answer"
    return f"exit code {code if code < 256 else hex(code)}"  # Windows' are large
