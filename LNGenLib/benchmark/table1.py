"""Table I: does a network trained on real and synthetic scans do better than on real ones alone?"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from LNGenLib.benchmark.arms import Arm
from LNGenLib.benchmark.experiment import Benchmark, Run, RunResult
from LNGenLib.benchmark.standin import MARK
from LNGenLib.evaluation.segmentation.causes import CAUSES
from LNGenLib.evaluation.segmentation.lesions import BINS, ScanScore
from LNGenLib.evaluation.segmentation.metrics import estimate, paired
from LNGenLib.files import write_bytes

NOT_RUN = "not run"
PAPER = ("sensitivity", "dice")  # the columns of the paper's table
FIGURES = ("lesion sensitivity", "precision", "false positives a scan")
KINDS = ("missed", "split", "merged")
SCAN_FILE = "scans.csv"

Seeds = dict[int, RunResult]


def title(bench: Benchmark, cells: Sequence[Run], baseline: Arm) -> str:
    """What the tables are of, and who made them."""
    counts = {part: len(cases) for part, cases in bench.cases.items()}
    data = MARK if (bench.data / "standin.json").exists() else f"data: {bench.data}"
    lines = [f"{data}\nscans: {counts}; checkpoints chosen on the validation scans"]
    for network in dict.fromkeys(run.config.network for run in cells):
        steps = sorted({run.config.steps for run in cells if run.config.network == network})
        made = bench.origin_of(network)
        by = ", ".join(made.values()) if made else NOT_RUN
        lines.append(f"{network}: {steps} optimizer steps in every arm; {by}")
    lines.append(
        f"intervals: 95 %, bootstrap over scans and seeds; differences: to {baseline.value}, paired"
    )
    return "\n".join(lines)


def tables(
    bench: Benchmark, cells: Sequence[Run], parts: Sequence[str], baseline: Arm
) -> tuple[Table, Table]:
    """Figures over the scans of some parts, a row for each network and arm: as in the paper, with
    differences to the arm `baseline`; and why, by size and by cause."""
    name = " and ".join(parts)
    columns = [*PAPER, *(f"{figure} difference" for figure in PAPER), *FIGURES]
    costs = ["synthetic scans", "lymph nodes", "training min"]
    shown = Table("network", "arm", "seeds", *columns, *costs, title=name)
    causes = [f"false on {cause} a scan" for cause in CAUSES]
    sizes = [f"found {size}" for size in BINS]
    why = Table("network", "arm", *sizes, *KINDS, *causes, title=f"{name}: why")
    for network, arm in dict.fromkeys((run.config.network, run.arm) for run in cells):
        results = _results(bench, cells, network, arm, parts)
        head = [network, arm.value]
        count = f"{len(results)}/{max(run.seed for run in cells) + 1}"
        if not results:
            shown.add_row(*head, count, *[NOT_RUN] * len(columns + costs))
            why.add_row(*head, *[NOT_RUN] * len([*sizes, *KINDS, *causes]))
            continue
        found = estimate(_scores(results, parts))
        reference = _results(bench, cells, network, baseline, parts)
        apart = _differences(results, reference, parts) if arm != baseline else ["-"] * len(PAPER)
        row = [*(str(found[figure]) for figure in PAPER), *apart]
        row += [str(found[figure]) for figure in FIGURES]
        shown.add_row(*head, count, *row, *_costs(list(results.values())))
        kinds = [f"{found[kind].value:.3f}" for kind in KINDS]
        false = [f"{found[cause].value:.1f}" if cause in found else "-" for cause in causes]
        of_size = [str(found[f"lesion sensitivity {size}"]) for size in BINS]
        why.add_row(*head, *of_size, *kinds, *false)
    return shown, why


def write_scans(bench: Benchmark, cells: Sequence[Run], parts: Sequence[str], folder: Path) -> Path:
    """Write the scores of every scan, a line a scan of a run, to `scans.csv`."""
    sizes = [f"{kind} {size}" for kind in ("nodes", "detected", "false") for size in BINS]
    head = ["network", "arm", "seed", "part", "scan", "dice", *KINDS, *CAUSES, *sizes]
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(head)
    for run in cells:
        result, about = bench.result(run, parts), (run.config.network, run.arm.value, run.seed)
        for part, scores in result.scores.items() if result else ():
            rows.writerows([*about, part, *_line(score)] for score in scores)
    write_bytes(text.getvalue().encode(), folder / SCAN_FILE)
    return folder / SCAN_FILE


def _line(score: ScanScore) -> list[str | int | float]:
    dice = 2 * score.shared / max(score.truth + score.found, 1)
    by_size = [own[size] for own in (score.nodes, score.detected, score.false) for size in BINS]
    kinds = [sum(getattr(score, kind).values()) for kind in KINDS]
    return [score.id, round(dice, 4), *kinds, *(score.causes.get(c, "") for c in CAUSES), *by_size]


def _differences(results: Seeds, reference: Seeds, parts: Sequence[str]) -> list[str]:
    """Differences to another arm, of the seeds that both have: so they are the arms' alone."""
    same = sorted(results.keys() & reference.keys())
    if not same:
        return [NOT_RUN] * len(PAPER)
    ours, theirs = ({k: own[k] for k in same} for own in (results, reference))
    apart = paired(_scores(ours, parts), _scores(theirs, parts))
    return [str(apart[figure]) for figure in PAPER]


def _costs(results: Sequence[RunResult]) -> list[str]:
    """Means over seeds."""
    totals = (
        (sum(result.synthetic_scans for result in results), 0),
        (sum(result.synthetic_nodes for result in results), 0),
        (sum(result.training_seconds for result in results) / 60, 1),
    )
    return [f"{total / len(results):.{digits}f}" for total, digits in totals]


def _results(
    bench: Benchmark, cells: Sequence[Run], network: str, arm: Arm, parts: Sequence[str]
) -> Seeds:
    """The results of a network and an arm, by seed."""
    own = [run for run in cells if (run.config.network, run.arm) == (network, arm)]
    results = {run.seed: bench.result(run, parts) for run in own}
    return {seed: result for seed, result in results.items() if result is not None}


def _scores(results: Seeds, parts: Sequence[str]) -> dict[int, list[ScanScore]]:
    """The scores by seed."""
    return {
        seed: [score for part in parts for score in result.scores[part]]
        for seed, result in results.items()
    }
