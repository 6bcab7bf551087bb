"""What the panel keeps of servers, and says of them, without Qt."""

from __future__ import annotations

import json
import stat
import sys

import pytest
from panel_parts import loaded, module

from LNGenLib.errors import InputError
from LNGenLib.service.protocol.messages import Submission, UploadedImage

URL = "https://lngen.example.org"


@pytest.fixture
def servers():
    with loaded("servers", module("slicer")) as found:
        yield found


@pytest.fixture
def kept(servers, tmp_path):
    return servers.Servers(tmp_path / "LNGen" / "servers.json")


def test_what_is_kept_is_read_again_and_forgotten(servers, kept):
    assert (kept.token(URL), kept.consent(URL), kept.ca(URL)) == ("", False, "")
    kept.setToken(URL, "t" * 32)
    kept.setConsent(URL, True)
    kept.setCa(URL, "/etc/ca.pem")
    again = servers.Servers(kept.file)
    assert (again.token(URL), again.consent(URL), again.ca(URL)) == ("t" * 32, True, "/etc/ca.pem")
    other = "https://other.org"
    again.setConsent(other, True)
    again.forget(URL)
    assert (kept.token(URL), kept.consent(URL), kept.ca(URL)) == ("", False, "")
    assert kept.consent(other) and "t" * 32 not in kept.file.read_text()


@pytest.mark.skipif(sys.platform == "win32", reason="there, a user's folder is the user's own")
def test_nobody_else_can_read_it(kept, monkeypatch):
    kept.file.parent.mkdir(mode=0o755)
    modes = []
    from LNGenLib import files

    replace = files.os.replace

    def look(source, target):
        modes.append(stat.S_IMODE(source.stat().st_mode))
        replace(source, target)

    monkeypatch.setattr(files.os, "replace", look)
    kept.setToken(URL, "t" * 32)
    assert stat.S_IMODE(kept.file.stat().st_mode) == 0o600 and modes == [0o600]
    assert stat.S_IMODE(kept.file.parent.stat().st_mode) == 0o700


def test_what_was_kept_stays_where_the_disk_is_full(kept, monkeypatch):
    kept.setToken(URL, "t" * 32)
    from LNGenLib import files

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(InputError, match="disk is full"):
        kept.setToken(URL, "o" * 32)
    assert kept.token(URL) == "t" * 32
    assert [each.name for each in kept.file.parent.iterdir()] == ["servers.json"]


def test_a_folder_that_can_t_be_made_is_said(servers, tmp_path):
    (tmp_path / "file").touch()
    kept = servers.Servers(tmp_path / "file" / "servers.json")
    assert kept.token(URL) == ""
    with pytest.raises(InputError, match="can't be kept in"):
        kept.setToken(URL, "t" * 32)


@pytest.mark.parametrize(
    "content",
    [
        *("", "{", "[]", "null", '{"servers": []}', '{"servers": {"a": 1}}', "[" * 100_000),
        *('{"token": "of another program"}', '{"servers": {"a": {"token": 7}}}'),
        *('{"servers": {"a": {"consent": "true"}}}', b"\xff\xfe\x00"),
    ],
)
def test_a_file_that_is_broken_or_another_s_is_kept_aside(kept, content):
    kept.file.parent.mkdir()
    content = content if isinstance(content, bytes) else content.encode()
    kept.file.write_bytes(content)
    assert kept.token(URL) == "" and not kept.file.exists()
    kept.setToken(URL, "t" * 32)
    assert kept.token(URL) == "t" * 32
    (aside,) = [each for each in kept.file.parent.iterdir() if each != kept.file]
    assert aside.read_bytes() == content and stat.S_IMODE(aside.stat().st_mode) == 0o600


def test_what_a_newer_lngen_keeps_is_not_lost(kept):
    kept.file.parent.mkdir()
    kept.file.write_text(json.dumps({"servers": {URL: {"token": "t", "name": "of a newer one"}}}))
    kept.setConsent(URL, True)
    assert json.loads(kept.file.read_text())["servers"][URL]["name"] == "of a newer one"


@pytest.mark.parametrize(
    "spelled",
    ["HTTPS://LNGen.Example.org", URL + "/", f" {URL} ", URL + ":443", URL + ":443/"],
)
def test_one_server_has_one_address(kept, spelled):
    kept.setToken(spelled, "t" * 32)
    assert kept.token(URL) == "t" * 32


@pytest.mark.parametrize(
    "other", ["http://lngen.example.org", URL + ":8471", URL + "/lngen", "lngen.example.org", "["]
)
def test_another_server_has_another_address(kept, other):
    kept.setToken(other, "t" * 32)
    assert kept.token(URL) == "" and kept.token(other) == "t" * 32


@pytest.mark.parametrize(
    "url, word",
    {
        "https://lngen.example.org:8471": "",
        "http://localhost:8471": "",
        "http://127.0.0.1:8471": "",
        "http://127.3.2.1": "",
        "http://[::1]:8471": "",
        "http://lngen.example.org": "unencrypted",
        "http://192.168.0.7:8471": "unencrypted",
        "HTTP://gpu:8471": "unencrypted",
        "http://localhost.example.org": "unencrypted",
        "": "Give the server's address",
        "lngen.example.org": "no address",
        "lngen.example.org:8471": "no address",
        "localhost:8471": "no address",
        "ftp://lngen.example.org": "no address",
        "https://": "no address",
        "https://a:b": "no address",
        "https://[": "no address",
        "https://me:secret@lngen.example.org": "Leave user and password out",
    }.items(),
)
def test_an_address_is_warned_of(servers, url, word):
    warning = servers.warning_of(url)
    assert word in warning and bool(warning) == bool(word)


@pytest.mark.parametrize(
    "url, how",
    [
        (URL, "travels encrypted"),
        ("http://192.168.0.7", "UNENCRYPTED"),
        ("http://127.0.0.1", "not leave"),
    ],
)
def test_consent_says_what_goes_and_how(servers, url, how):
    text = servers.consent_text(url)
    for words in (url, how, "organ segmentation", "region", "Neither the patient's name", "forget"):
        assert words in text


def test_nothing_else_goes_than_consent_says():
    """A field more would have to be told of."""
    assert set(Submission.__dataclass_fields__) == {"kind", "request", "images"}
    geometry = {"size", "spacing", "origin", "direction"}
    assert set(UploadedImage.__dataclass_fields__) == {"sha256", "type"} | geometry
