"""Table I in the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from LNGenLib.benchmark.arms import Arm
from LNGenLib.benchmark.standin import MARK
from LNGenLib.benchmark.table1 import Benchmark, Result, Run
from LNGenLib.evaluation.segmentation.lesions import BINS, ScanScore
from LNGenLib.evaluation.segmentation.metrics import estimate, paired
from LNGenLib.evaluation.tables import interval

NOT_RUN = "not run"
FIGURES = ("dice", "sensitivity", "lesion sensitivity", "precision", "false positives a scan")


def title(bench: Benchmark, cells: Sequence[Run], baseline: Arm) -> str:
    """What the table is of."""
    steps = sorted({run.config.steps for run in cells})
    counts = {part: len(cases) for part, cases in bench.cases.items()}
    return "\n".join(
        [
            MARK if bench.standin else f"data: {bench.data}",
            f"scans: {counts}; real : synthetic 1 : 1 by scan; {steps} optimizer steps in every "
            "arm; checkpoints chosen on the validation scans; intervals: 95 %, bootstrap over "
            f"patients, seeds pooled; differences: to {baseline.value}, paired",
        ]
    )


def table(bench: Benchmark, cells: Sequence[Run], parts: Sequence[str], baseline: Arm) -> Table:
    """A row for each network and arm: figures over the scans of some test parts, and differences to
    the arm `baseline`."""
    shown = Table(title=" and ".join(parts))
    columns = ("network", "arm", "seeds", *FIGURES[:2], "Dice difference", "sensitivity difference")
    bins = [f"found {size}" for size in BINS]
    costs = ("minutes: training", "synthesis")
    for column in (*columns, *FIGURES[2:], *bins, *costs):
        shown.add_column(column)
    for network, arm in dict.fromkeys((run.config.network, run.arm) for run in cells):
        results = _results(bench, cells, network, arm)
        row = [network, arm.value, f"{len(results)}/{max(run.seed for run in cells) + 1}"]
        if not results:
            shown.add_row(*row, *[NOT_RUN] * (len(shown.columns) - len(row)))
            continue
        scores = _pooled(results, parts)
        found = estimate(scores)
        row += [interval(found[name]) for name in FIGURES[:2]]
        # the seeds that both arms have, so that the difference is that of the arms alone
        reference = _results(bench, cells, network, baseline)
        same = results.keys() & reference.keys()
        if arm == baseline or not same:
            row += ["-" if arm == baseline else NOT_RUN] * 2
        else:
            ours, theirs = ({k: own[k] for k in same} for own in (results, reference))
            apart = paired(_pooled(ours, parts), _pooled(theirs, parts))
            row += [interval(apart[name]) for name in FIGURES[:2]]
        row += [interval(found[name]) for name in FIGURES[2:]]
        row += [interval(found[f"lesion sensitivity {size}"]) for size in BINS]
        for cost in ("training_seconds", "synthesis_seconds"):
            total = sum(getattr(result, cost) for result in results.values())
            row.append(f"{total / 60 / len(results):.1f}")
        shown.add_row(*row)
    return shown


def _results(bench: Benchmark, cells: Sequence[Run], network: str, arm: Arm) -> dict[int, Result]:
    """The results of a network and an arm, by seed."""
    own = [run for run in cells if (run.config.network, run.arm) == (network, arm)]
    results = {run.seed: bench.result(run) for run in own}
    return {seed: result for seed, result in results.items() if result is not None}


def _pooled(results: dict[int, Result], parts: Sequence[str]) -> list[ScanScore]:
    return [score for result in results.values() for part in parts for score in result.scores[part]]
