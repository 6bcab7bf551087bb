"""Options of a range take one value, too: both bounds are that."""

from __future__ import annotations

import pytest

WANTED = {  # what each command says of a value out of its range, once it has two of them
    "structures --long-axis 40": "long axis 40 to 40 mm",
    "structures --long-axis=40": "long axis 40 to 40 mm",
    "structures --long-axis=40 50": "long axis 40 to 50 mm",
    "structures --long-axis 40 --seed 1": "long axis 40 to 40 mm",
    "structures --long-axis -3": "long axis -3 to -3 mm",
    "structures --long-axis -3 -2": "long axis -3 to -2 mm",
    "structures --axis-ratio 2": "axis ratio 2 to 2",
    "structures --irregularity 1.5 --long-axis 6": "irregularity 1.5 to 1.5",
    "synthesize ct.nii.gz --long-axis 40": "long axis 40 to 40 mm",
    "synthesize --axis-ratio 2 --count 3 ct.nii.gz": "axis ratio 2 to 2",
    "synthesize ct.nii.gz --irregularity -1": "irregularity -1 to -1",
    "synthesize ct.nii.gz --enhancement -200": "enhancement (-200.0, -200.0)",
    "synthesize ct.nii.gz --enhancement 200 --seed 1": "enhancement (200.0, 200.0)",
    "dataset --cases {tmp} -n 1 --count 0": "count 0 to 0",
    "dataset --cases {tmp} -n 1 --count 2 --long-axis 31": "long axis 31 to 31 mm",
    "pool --cases {tmp} --long-axis 31": "long axis 31 to 31 mm",
}


@pytest.mark.parametrize("command, said", WANTED.items(), ids=WANTED)
def test_one_value_is_both_bounds(run_lngen, crops, tmp_path, command, said):
    arguments = command.format(tmp=crops).split()
    code, _, error = run_lngen([*arguments, "-o", str(tmp_path / "out")])
    assert code == 2 and error.startswith("lngen: ") and said in error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "command", ["structures --long-axis -o {tmp}", "structures -o {tmp} --long-axis"]
)
def test_no_value_is_still_an_error(run_lngen, tmp_path, command):
    code, _, error = run_lngen(command.format(tmp=tmp_path / "out").split())
    assert code == 2 and "--long-axis" in error and "Traceback" not in error


def test_an_option_of_the_same_name_but_one_number_stays_as_it_is(run_lngen, tmp_path):
    """`--count` of synthesize is one number, that of dataset a range."""
    code, _, error = run_lngen(["synthesize", "--count", "0", "ct.nii.gz", "-o", str(tmp_path)])
    assert code == 2 and "count 0:" in error
