"""Blocks of code in README and docs, the commands in them, and a shell that runs them quickly."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

ROOT = Path(__file__).parents[1]
CARDS = sorted(ROOT.glob("LNGenLib/models/*.md"))
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md")), *CARDS]
FENCE = re.compile(r"^( *)```([^\n]*)\n(.*?)^\1``` *$", re.MULTILINE | re.DOTALL)

# `lngen` of such a shell hands its arguments to the process that started it, which sends the code.
LNGEN = """
lngen() {
    local code
    printf '%s\\0' "$#" "$@" >&CALLS
    read -r code <&CODES
    return "$code"
}
"""


@dataclass(frozen=True)
class Block:
    """A fenced block: its page, from the root, its language, its text."""

    page: str
    language: str
    text: str


def blocks(path: Path) -> list[Block]:
    """The blocks of a page, from top to bottom."""
    page = str(path.relative_to(ROOT))
    return [Block(page, part[2].strip(), part[3]) for part in FENCE.finditer(path.read_text())]


def commands(block: Block) -> list[str]:
    """The command lines of a bash block: continued lines in one, nothing of what `<<END` feeds."""
    text = re.sub(r"<<END\n.*?\nEND", "", block.text, flags=re.DOTALL).replace("\\\n", " ")
    text = re.sub(r"(^| )#.*", "", text, flags=re.MULTILINE)
    lines = (" ".join(line.split()) for line in re.split(r"[\n;]|&&", text))
    starts = re.compile(r"^(do|time|then) ")
    found = [starts.sub("", line) for line in lines]
    return [line for line in found if line and not re.match(r"for |done$|do$", line)]


def without(text: str, dropped: Callable[[str], bool]) -> str:
    """A script without the lines (continued ones as a whole) that are to be dropped."""
    lines = text.replace("\\\n", " ").splitlines()
    return "\n".join(line for line in lines if not dropped(" ".join(line.split())))


def words(command: str) -> list[str]:
    """A command line in words, without comment, redirection and what follows a pipe."""
    found = shlex.split(command.split("<<")[0], comments=True)
    ends = [k for k, word in enumerate(found) if word in (">", ">>", "|", "<")]
    return found[: ends[0]] if ends else found


def run_script(text: str, lngen: Callable[[list[str]], int]) -> None:
    """Run a bash script in the working directory, by `lngen(arguments)` where it calls `lngen`.
    Raises CalledProcessError, with what it printed, where a line fails."""
    calls, call = os.pipe()
    code, codes = os.pipe()
    script = LNGEN.replace("CALLS", str(call)).replace("CODES", str(code)) + text
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    with open(calls, "rb") as asked, open(codes, "w") as answers:
        process = subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", script],
            pass_fds=(call, code),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=os.environ | {"PATH": path},
        )
        os.close(call)
        os.close(code)
        while count := _next(asked):
            arguments = [_next(asked) for _ in range(int(count))]
            print(lngen(arguments), file=answers, flush=True)
        printed, _ = process.communicate()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, text, printed)


def _next(stream: BinaryIO) -> str:
    """What follows up to the next zero byte; empty at the end of the stream."""
    letters = iter(lambda: stream.read(1), b"")
    word = bytearray()
    for letter in letters:
        if letter == b"\0":
            break
        word += letter
    return word.decode()


def inline_commands(path: Path) -> Iterator[str]:
    """`lngen ...` in the running text of a page."""
    text = FENCE.sub("", path.read_text())
    yield from (" ".join(span.split()) for span in re.findall(r"`(lngen [^`]+)`", text, re.DOTALL))
