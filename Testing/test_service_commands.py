"""Tests of `lngen serve` and `lngen doctor`."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from LNGenLib.errors import InputError
from LNGenLib.service.client.client import Client
from LNGenLib.service.client.connection import ServiceError
from LNGenLib.service.protocol.messages import VERSION

LNGEN = Path(sys.executable).with_name("lngen")
TOKEN = "t" * 32

REFUSED = {
    "no token beyond loopback": ("--host 0.0.0.0", "give --token-file"),
    "no token for a name": ("--host gpu.example.org", "give --token-file"),
    "no token file": ("--token-file {tmp}/none", "can't be read"),
    "empty token file": ("--token-file {tmp}/empty", "holds no token"),
    "short token": ("--token-file {tmp}/short", "less than 24"),
    "half of TLS": ("--ssl-certfile {tmp}/empty", "--ssl-keyfile"),
    "no certificate": ("--ssl-certfile {tmp}/no.pem", "does not exist"),
}


@pytest.mark.parametrize("options, words", REFUSED.values(), ids=REFUSED)
def test_what_is_not_safe_is_refused(run_lngen, tmp_path, options, words):
    (tmp_path / "empty").touch()
    (tmp_path / "short").write_text("secret\n")
    command = f"serve --data {tmp_path}/data {options.format(tmp=tmp_path)}"
    code, _, err = run_lngen(command.split())
    assert code == 2 and words in err and len(err.splitlines()) == 1
    assert not (tmp_path / "data").exists()


def serving(*options):
    process = subprocess.Popen(
        [LNGEN, "serve", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    return process, process.stdout.readline().split()[-1]


def test_a_server_on_loopback_makes_a_token_of_its_own(tmp_path):
    process, url = serving("--data", tmp_path / "data", "--port", "0")
    try:
        token = process.stdout.readline().split()[-1]
        assert "synthesize" in Client(url, token).capabilities().kinds
        with pytest.raises(ServiceError, match="does not accept this token"):
            Client(url, TOKEN).capabilities()
    finally:
        process.terminate()
        assert process.wait(20) == 143
        process.stdout.close()


def test_tls(run_lngen, tmp_path):
    pem = [tmp_path / "cert.pem", tmp_path / "key.pem"]
    made = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost "
        f"-addext subjectAltName=IP:127.0.0.1 -out {pem[0]} -keyout {pem[1]}"
    )
    try:
        subprocess.run(made.split(), check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("there is no openssl to make a certificate")
    (tmp_path / "tokens").write_text(TOKEN)
    options = ["--token-file", tmp_path / "tokens", "--data", tmp_path / "data", "--port", "0"]
    process, url = serving(*options, "--ssl-certfile", pem[0], "--ssl-keyfile", pem[1])
    try:
        assert url.startswith("https://")
        assert Client(url, TOKEN, str(pem[0])).capabilities().protocol == VERSION
        with pytest.raises(ServiceError, match="certificate is not trusted"):
            Client(url, TOKEN).capabilities()
        doctor = ["doctor", "--server", url, "--token-file", str(tmp_path / "tokens")]
        code, out, _ = run_lngen([*doctor, "--ca", str(pem[0])])
        assert code == 0 and "self test" in out
        code, _, err = run_lngen(doctor)
        assert code == 2 and "give the CA certificate" in err
    finally:
        process.terminate()
        process.wait(20)
        process.stdout.close()


def test_the_doctor_examines_a_server(run_lngen, tmp_path):
    (tmp_path / "tokens").write_text(TOKEN)
    options = ["--token-file", tmp_path / "tokens"]
    process, url = serving(*options, "--data", tmp_path / "data", "--port", "0")
    try:
        code, out, err = run_lngen(["doctor", "--server", url, *map(str, options)])
        assert (code, err) == (0, "")
        for word in ("torch", "device", "free memory", "weights: texture", "self test"):
            assert word in out
        assert "WRONG" not in out
        code, _, err = run_lngen(["doctor", "--server", url])
        assert code == 2 and "--token-file" in err
    finally:
        process.terminate()
        process.wait(20)
        process.stdout.close()


def test_the_doctor_finds_damaged_weights(run_lngen, monkeypatch, tmp_path):
    from LNGenLib.models import store
    from LNGenLib.synthesis import engine

    def failing(*_, **__):
        raise InputError("these weights are damaged")

    monkeypatch.setattr(store, "SHIPPED", tmp_path)
    monkeypatch.setattr(engine, "synthesize", failing)
    code, out, _ = run_lngen(["doctor"])
    assert code == 1
    assert out.count("WRONG") == 3
    assert "these weights are damaged" in out
