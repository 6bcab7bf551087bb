"""nnU-Net through nnunetv2: planned, trained, killed (SIGKILL) after an epoch, resumed, used.

    python Testing/benchmarks/nnunet_resume.py [FOLDER]

Six tiny procedural scans, three epochs of two steps. Prints what lies in nnU-Net's folders.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from segmentation_data import write_cases  # noqa: E402


def main(folder: Path) -> None:
    data = write_cases(folder / "data", 6)
    (folder / "config.json").write_text(json.dumps({"epochs": 3, "steps_an_epoch": 2}))
    lngen = str(Path(sys.executable).with_name("lngen"))
    command = [lngen, "train", "segmentation", "--network", "nnunet", "--real", str(data)]
    command += ["-o", str(folder / "model"), "--config", str(folder / "config.json")]
    results = folder / "model/nnunet/results"
    checkpoint = "*/*/fold_0/checkpoint_latest.pth"  # whole: it is written elsewhere
    first = subprocess.Popen(command)
    while not list(results.glob(checkpoint)) and first.poll() is None:
        time.sleep(0.5)
    first.send_signal(signal.SIGKILL)
    print("killed:", first.wait() == -signal.SIGKILL)
    subprocess.run(command, check=True)
    logs = "".join(file.read_text() for file in sorted(results.rglob("training_log*.txt")))
    for epoch in range(3):
        print(f"epoch {epoch} begun {logs.count(f'Epoch {epoch} ')} times")
    for file in sorted((folder / "model").rglob("*")):
        if file.name in ("nnUNetPlans.json", "plans.json") or file.suffix == ".pth":
            print(file.relative_to(folder / "model"))
    ct = next(iter(sorted((folder / "data/images").iterdir())))
    found = folder / "found.nii.gz"
    command = [lngen, "segment", str(ct), "--model", str(folder / "model"), "-o", str(found)]
    subprocess.run(command, check=True)
    print("segmented:", found.exists())


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        main(Path(sys.argv[1] if len(sys.argv) > 1 else temporary))
