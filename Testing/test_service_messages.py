"""What the client says where something is wrong: the worker, the server, the way between them."""

import errno
import json
import socket
import subprocess

import pytest
import requests

from LNGenLib.errors import InputError
from LNGenLib.service.client.client import Client
from LNGenLib.service.client.connection import ServiceError
from LNGenLib.service.client.local import LocalService

TOKEN = "t" * 32


def script(path, *lines):
    path.write_text("\n".join(["#!/bin/sh", *lines]))
    path.chmod(0o700)
    return str(path)


# ------------------------------------------------------------------ the worker


TRACEBACK = """Traceback (most recent call last):
  File "a.py", line 1, in <module>
    import torch
ModuleNotFoundError: No module named 'torch'

The one above was the cause.
"""


@pytest.mark.parametrize(
    "ending, why",
    {
        "exit 3": "exit code 3",
        "kill -9 $$": r"it was ended \(signal 9\), perhaps since memory ran out",
        "echo; echo first >&2; echo last >&2; echo >&2; exit 1": "last",
        f'cat >&2 <<"END"\n{TRACEBACK}END\nexit 1': "ModuleNotFoundError: No module named 'torch'",
        "echo 'LNGenLib.errors.InputError: another uses it' >&2; exit 1": "another uses it",
    }.items(),
    ids=["mute", "killed", "last line", "traceback", "InputError"],
)
def test_a_child_that_does_not_start_says_why(tmp_path, ending, why):
    with pytest.raises(InputError, match=f"^The local worker did not start: {why}$"):
        LocalService(python=script(tmp_path / "python", ending))


def test_a_child_that_dies_says_why(tmp_path):
    dying = ["echo '{\"port\": 9}'", "sleep 0.3", "echo 'OSError: no room' >&2", "exit 1"]
    with LocalService(python=script(tmp_path / "python", *dying)) as local:
        assert local.died is None
        local.process.wait(10)
        assert local.died == "The local worker is gone: OSError: no room. Try again."


def test_a_child_has_no_window_on_windows(tmp_path, monkeypatch):
    """One could close it, and the child with it. What Popen is given is read, not done here."""
    given = {}

    def start(*_, **options):
        given.update(options)
        raise OSError(errno.ENOENT, "not done here")

    monkeypatch.setattr(subprocess, "CREATE_NO_WINDOW", 0x08000000, raising=False)
    monkeypatch.setattr(subprocess, "Popen", start)
    with pytest.raises(InputError, match="not done here"):
        LocalService()
    assert given["creationflags"] == 0x08000000


# ------------------------------------------------------------------ the server's answers


def test_a_server_that_is_not_there_is_said():
    with pytest.raises(ServiceError, match="can't be reached: nothing listens there"):
        Client("http://127.0.0.1:9", "t" * 32).capabilities()


class Reply:
    """An answer of requests, as far as the client looks."""

    def __init__(self, status, content, **headers):
        self.status_code, self.content, self.headers = status, content, headers

    def json(self):
        try:
            return json.loads(self.content)
        except ValueError as error:
            raise requests.JSONDecodeError(str(error), "", 0) from error


@pytest.mark.parametrize(
    "reply, word",
    [
        (Reply(404, b'{"message": "no"}'), "update one of the two"),
        (Reply(404, b"<html>"), "update one of the two"),
        (Reply(200, b"<html>"), "does not answer as an LNGen server"),
        (Reply(400, b"<html>"), "does not answer as an LNGen server"),
        (Reply(302, b""), "sends on to another address"),
        (Reply(301, b"", Location="https://there.org/v2"), "sends on to https://there.org: give"),
        (
            Reply(401, b'{"message": "Authorization: Bearer"}'),
            "not accept this token: ask its admin",
        ),
        (Reply(403, b"<html>"), "lets nobody in from here"),
        (Reply(413, b"<html>"), "crop the CT"),
        (Reply(422, b'{"message": "count 0"}'), "refuses: count 0"),
        (Reply(429, b'{"message": "full"}'), "is busy: try again"),
        (Reply(500, b"<html>"), "had a fault: ask its admin"),
        (Reply(503, b"<html>"), "is not up: try again"),
    ],
)
def test_what_a_server_answers_is_told_in_words(monkeypatch, reply, word):
    client = Client("https://example.org", "t" * 32)
    monkeypatch.setattr(client.session, "request", lambda *_, **__: reply)
    with pytest.raises(ServiceError, match=word) as refused:
        client.capabilities()
    assert str(refused.value).startswith("The server https://example.org ")
    assert "Bearer" not in str(refused.value)


# ------------------------------------------------------------------ the way to the server


def failing(monkeypatch, error, cause=None):
    """A client whose requests fail as those of requests and urllib3 do."""
    client = Client("https://example.org", TOKEN)

    def request(*_, **__):
        raise error from cause

    monkeypatch.setattr("LNGenLib.service.client.connection.PAUSE", 0)
    monkeypatch.setattr(client.session, "request", request)
    return client


WRONG = "(Caused by SSLError(SSLError(1, '[SSL: {} (_ssl.c:1006)')))"
UNVERIFIED = WRONG.format("CERTIFICATE_VERIFY_FAILED] certificate verify failed: {}")


@pytest.mark.parametrize(
    "error, cause, words",
    [
        (requests.exceptions.ProxyError(), None, "proxy in between"),
        (requests.ConnectTimeout(), None, "not answer in time"),
        (requests.ReadTimeout(), None, "not answer in time"),
        (requests.ConnectionError(), socket.gaierror(-2, "unknown"), "no host of this name"),
        (requests.ConnectionError(), ConnectionRefusedError(), "nothing listens there"),
        (requests.ConnectionError(), ConnectionResetError(), "no connection"),
        (WRONG.format("WRONG_VERSION_NUMBER] wrong version number"), None, "does not speak TLS"),
        (UNVERIFIED.format("certificate has expired"), None, "has expired"),
        (UNVERIFIED.format("Hostname mismatch"), None, "of another host"),
        (UNVERIFIED.format("unable to get local issuer certificate"), None, "give the CA"),
    ],
)
def test_why_a_server_is_not_reached_is_told_in_words(monkeypatch, error, cause, words):
    if isinstance(error, str):
        error = requests.exceptions.SSLError(error)
    with pytest.raises(ServiceError, match=f"^The server .* can't be reached: .*{words}") as told:
        failing(monkeypatch, error, cause).capabilities()
    assert "_ssl.c" not in str(told.value) and "Errno" not in str(told.value)


def test_a_host_that_does_not_exist_is_said():
    """By the real urllib3."""
    with pytest.raises(ServiceError, match="no host of this name"):
        Client("http://nothing.invalid", TOKEN).capabilities()


def test_a_ca_is_asked_even_where_the_environment_has_another(monkeypatch, tmp_path):
    ca, asked = tmp_path / "ca.pem", []
    ca.write_text(certificate())
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "other.pem"))
    client = Client("https://example.org", TOKEN, str(ca))

    def send(request, **options):
        asked.append(options["verify"])
        raise requests.Timeout

    monkeypatch.setattr(client.session, "send", send)
    with pytest.raises(ServiceError):
        client.capabilities()
    assert asked == [str(ca)]


def certificate():
    """Of any CA that this machine knows."""
    import certifi

    text = open(certifi.where()).read()
    end = "-----END CERTIFICATE-----\n"
    return text[text.index("-----BEGIN") : text.index(end)] + end


@pytest.mark.parametrize("content, words", [(None, "can't be read"), ("no PEM", "holds no cert")])
def test_a_file_that_is_no_ca_is_said_before_anything_is_sent(tmp_path, content, words):
    file = tmp_path / "ca.pem"
    if content:
        file.write_text(content)
    with pytest.raises(ServiceError, match=f"ca.pem {words}.*: give the CA certificate"):
        Client("https://example.org", TOKEN, str(file))
