"""What README and docs tell to type works: the blocks of a page are run from its top to its bottom,
on small stand-ins. What is not run is listed here with the reason, and its options are checked."""

from __future__ import annotations

import functools
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer
from doc_blocks import (
    PAGES,
    ROOT,
    Block,
    blocks,
    commands,
    inline_commands,
    run_script,
    without,
    words,
)
from doc_standins import BOX, answer, write_standins

from LNGenLib.cli.main import app
from LNGenLib.cli.ranges import with_both_bounds
from LNGenLib.segmentation.config import SegmentationConfig
from LNGenLib.validation import from_json

LANGUAGES = {"bash", "python", "json", "text", "nginx", "ini"}
ADDRESS = "http://127.0.0.1:8471"  # of `lngen serve`

NOT_RUN = {  # command lines, by a pattern of their beginning: why not
    r"python3 -m venv|pip install|\. ~/lngen": "installs from PyPI; `make` does so for these tests",
    r"make ": "`make test` is what runs this; `lngen demo` is the rest of `make demo`",
    r"Slicer ": "opens Slicer",
    r"lngen anatomy|lngen synthesize .*--anatomy auto": "downloads 1.2 GB; test_anatomy.py",
    r"python docs/synthesize_folder": "run by test_mrml_case.py",
    r"python Testing/benchmarks/": "takes minutes, most of them real scans",
    r"lngen synthesize totalsegmentator_pelvis": "needs that scan",
    r"lngen benchmark |lngen train difftumor --data standin": "takes hours; test_benchmark.py, "
    "test_table2.py and test_cli.py run it small",
    r"lngen evaluate texture": "takes hours; test_evaluation.py",
    r"lngen structures |lngen evaluate structures ": "needs 20 lymph nodes of a size; test_cli.py, "
    "test_evaluation.py",
    r"lngen train (structure|texture|difftumor) --data DATA -o runs/": "takes hours; the trial of "
    "training.md is run, and test_training.py",
    r"lngen synthesize .* runs/(structure|difftumor)": "needs the weights of that",
    r"printf |lngen study make --cases cases.csv|lngen study score study answers-engineer": "needs "
    "two scans of TotalSegmentator's tests; start_study.md is run",
    r"lngen demo --count 40|lngen study make --cases demo.csv|lngen study score control": "takes "
    "minutes; start_study.md is run",
    r"lngen doctor$": "test_service_commands.py; start_server.md asks a server",
}
NOT_RUN_PYTHON = {r"from LNGen import": "needs Slicer; test_panel_module.py"}
SAME = {  # pages whose commands that are run are among those of another, which is run
    "docs/study.md": "docs/start_study.md",
    "docs/users.md": "docs/start_training.md",
    "docs/server.md": "docs/start_server.md",  # its Python: test_service_local.py
}

SMALLER = {  # in what is run
    "R1 R2 A1 A2 S1 S2": BOX,
    "R1, R2, A1, A2, S1, S2": BOX.replace(" ", ", "),
    "/srv/lngen": "serverdata",
    "-n 200": "-n 2",
    "-n 500": "-n 4",
    "-n 40": "-n 6",
    "--workers 8": "--workers 1",
    '"spacing_mm": [2.5, 0.9, 0.9]': '"spacing_mm": [3, 3, 3]',
}
FEWER = re.compile(  # lymph nodes; steps and shapes of configurations
    r"(count[ =])\d+|(\"(?:\w*steps|steps_an_epoch|epochs|ovoids|solids)\": )\d+"
)
TRIAL = {  # of trainings that are given no configuration
    "channels": [4, 8],
    "patch": [16, 32, 32],
    "spacing_mm": [3, 3, 3],
    "epochs": 1,
    "steps_an_epoch": 2,
}
BEFORE = {"docs/segmentation.md": "lngen dataset --cases CASES -o SYNTHETIC -n 2"}


def is_run(command: str) -> bool:
    """Whether a command line is run here."""
    return not any(re.match(pattern, command) for pattern in NOT_RUN)


@pytest.fixture(scope="module")
def standins(phantom, models, tmp_path_factory) -> Path:
    """A folder of what is in capitals in the docs."""
    folder = tmp_path_factory.mktemp("standins")
    write_standins(folder, phantom, models)
    return folder


@pytest.fixture
def quick(monkeypatch):
    """Phantoms are coarse, patches few, and the machine of a study learns little."""
    from LNGenLib import phantom
    from LNGenLib.evaluation.realism import two_sample_test
    from LNGenLib.texture import dataset

    monkeypatch.setattr(two_sample_test, "EPOCHS", 1)
    monkeypatch.setattr(two_sample_test, "TREES", 5)
    coarse = phantom.pelvic_phantom
    monkeypatch.setattr(phantom, "pelvic_phantom", lambda seed, spacing: coarse(seed, (3, 3, 3)))
    few = functools.partial(dataset.prepare, per_scan=4)
    monkeypatch.setattr(dataset, "prepare", few)


class Reader:
    """Follows a page in the working directory: types its commands, runs its Python."""

    def __init__(self, run_lngen: Callable[[list[str]], tuple[int, str, str]]) -> None:
        self.address = ADDRESS
        self.server: subprocess.Popen | None = None
        self.names: dict[str, Any] = {"transforms": [None] * 3, "epoch": 0}
        self.said: list[str] = []
        self._run_lngen = run_lngen

    def bash(self, text: str) -> None:
        """Run a script but for the lines that are not run."""
        try:
            run_script(without(text, lambda line: not is_run(line)), self.lngen)
        except subprocess.CalledProcessError as error:
            pytest.fail(f"{text}\n{error.output}\n{''.join(self.said)}")

    def python(self, text: str) -> None:
        """Run it with the names of what stood above it on the page."""
        exec(text.replace(ADDRESS, self.address), self.names)

    def lngen(self, arguments: list[str]) -> int:
        """`lngen` in this process, but for a server."""
        if arguments[0] == "serve":
            self._serve(arguments)
            return 0
        if arguments[0] == "train" and "--config" not in arguments:
            Path("trial.json").write_text(json.dumps(TRIAL))
            arguments += ["--config", "trial.json"]
        code, *said = self._run_lngen([a.replace(ADDRESS, self.address) for a in arguments])
        self.said += said
        if arguments[:2] == ["study", "make"]:  # and somebody has read it
            answer(Path("study"), Path("answers"))
        return code

    def _serve(self, arguments: list[str]) -> None:
        lngen = Path(sys.executable).with_name("lngen")
        self.server = subprocess.Popen(
            [lngen, *arguments, "--port", "0"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )
        self.address = self.server.stdout.readline().split()[-1]

    def leave(self) -> None:
        """End the server, if there is one."""
        if self.server is not None:
            self.server.terminate()
            self.server.wait(20)
            self.server.stdout.close()


@pytest.fixture
def reader(standins, tmp_path, monkeypatch, run_lngen, quick) -> Iterator[Reader]:
    """One who sits in a folder of the stand-ins."""
    for thing in standins.iterdir():
        (tmp_path / thing.name).symlink_to(thing)
    monkeypatch.chdir(tmp_path)
    reader = Reader(run_lngen)
    yield reader
    reader.leave()


def smaller(text: str) -> str:
    """A block as it is run."""
    for long, short in SMALLER.items():
        text = text.replace(long, short)
    return FEWER.sub(r"\g<1>\g<2>2", text)


def typed(page: Path) -> list[str]:
    """The command lines of a page that are run."""
    shells = (block for block in blocks(page) if block.language == "bash")
    return [command for block in shells for command in commands(block) if is_run(command)]


def scripts(page: Path) -> list[Block]:
    """The blocks of Python of a page that are run."""
    python = (block for block in blocks(page) if block.language == "python")
    return [b for b in python if not any(re.search(part, b.text) for part in NOT_RUN_PYTHON)]


RUN = [
    page
    for page in PAGES
    if str(page.relative_to(ROOT)) not in SAME and (typed(page) or scripts(page))
]


@pytest.mark.slow
@pytest.mark.parametrize("page", RUN, ids=lambda page: page.name)
def test_the_blocks_of_a_page_run_one_after_the_other(page, reader, request):
    """A page is one shell, and one Python, in one folder."""
    name = str(page.relative_to(ROOT))
    if "slicer" in page.name:
        reader.names["slicer"] = scene_with(request.getfixturevalue("scene"))
    reader.bash(BEFORE.get(name, ""))
    for block in blocks(page):
        if block.language == "bash":
            reader.bash(smaller(block.text))
        elif block in scripts(page):
            reader.python(smaller(block.text))


def test_configurations_are_those_of_segmentation():
    given = [block for page in PAGES for block in blocks(page) if block.language == "json"]
    assert given
    for block in given:
        from_json(SegmentationConfig, json.loads(block.text))


def scene_with(scene: Any) -> SimpleNamespace:
    """`slicer` as far as the docs use it: a scene of CT and labels as nodes."""
    from LNGenLib.image.io import read_image
    from LNGenLib.mrml.volumes import LABELS, to_volume

    to_volume(scene, read_image("CT.nii.gz"), "CT")
    to_volume(scene, read_image("LABELS.nii.gz"), "Segmentation", LABELS)
    return SimpleNamespace(util=SimpleNamespace(getNode=scene.GetFirstNodeByName))


def parse(arguments: list[str]) -> None:
    """Raises click's UsageError where `lngen` would not understand them."""
    command = typer.main.get_command(app)
    left = with_both_bounds(arguments, command)
    while hasattr(command, "commands"):
        command = command.commands[left.pop(0)]
    command.make_context("lngen", left)


COMMANDS = sorted(
    {
        re.sub(r"\$\w+", "6", smaller(command))
        for page in PAGES
        for block in blocks(page)
        if block.language == "bash"
        for command in commands(block)
    }
)


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("lngen ")])
def test_lngen_understands_each_command(command):
    parse(words(command)[1:])


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("python Testing/")])
def test_each_benchmark_is_there_and_has_the_options(command):
    _, script, *arguments = words(command)
    source = (ROOT / script).read_text()
    for option in (word for word in arguments if word.startswith("--") and word != "--"):
        name = option[2:].replace("-", "_")
        assert option in source or re.search(rf"\b{name}: ", source), option


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_in_the_text_name_what_lngen_has(page):
    for command in inline_commands(page):
        found, rest = typer.main.get_command(app), command.split()[1:]
        while rest and rest[0] != "--help" and hasattr(found, "commands"):
            assert rest[0] in found.commands, command
            found = found.commands[rest.pop(0)]
        options = {option for each in found.params for option in each.opts} | {"--help"}
        assert {word for word in rest if re.match("--[a-z]", word)} <= options, command


def test_each_block_names_its_language():
    found = {block.language for page in PAGES for block in blocks(page)}
    assert found == LANGUAGES


def test_each_exception_is_needed():
    for pattern in NOT_RUN:
        assert any(re.match(pattern, command) for command in COMMANDS), pattern
    text = "".join(page.read_text() for page in PAGES)
    assert all(re.search(pattern, text) for pattern in NOT_RUN_PYTHON)
    for page, other in SAME.items():
        run = {re.sub("-o .*|--data .*", "", command) for command in typed(ROOT / other)}
        assert {re.sub("-o .*|--data .*", "", command) for command in typed(ROOT / page)} <= run
    assert all(long in text for long in SMALLER)
