"""What is kept of each server on this computer, and what the user is told before a CT is sent."""

from __future__ import annotations

import contextlib
import json
import logging
import secrets
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from slicer.i18n import tr as _

from LNGenLib.errors import InputError
from LNGenLib.files import SOFTWARE, whole_file
from LNGenLib.service.client.connection import host_of, is_loopback

KINDS = {"token": str, "consent": bool, "ca": str}


class Servers:
    """Token, consent and CA certificate of each server, by its address.

    They are kept in a JSON file in a folder of its own, which nobody but the user may read:
    Slicer's settings may be read by others, and are pasted into reports of faults. A file that
    can't be understood counts as empty and is kept aside. What sets something raises InputError
    where it can't be written.
    """

    def __init__(self, file: Path):
        self.file = file

    def token(self, url: str) -> str:
        """The token for a server, or ''."""
        return self._of(url).get("token", "")

    def setToken(self, url: str, token: str) -> None:
        """Keep a token, or with '' none."""
        self._set(url, "token", token)

    def consent(self, url: str) -> bool:
        """Whether the user agreed that CTs are sent to a server."""
        return self._of(url).get("consent", False)

    def setConsent(self, url: str, given: bool) -> None:
        """Keep what the user answered."""
        self._set(url, "consent", given)

    def ca(self, url: str) -> str:
        """The file (PEM) of the CA certificate for a server, or ''."""
        return self._of(url).get("ca", "")

    def setCa(self, url: str, file: str) -> None:
        """Keep where a CA certificate is, or with '' that there is none."""
        self._set(url, "ca", file)

    def forget(self, url: str) -> None:
        """Keep nothing of a server any more."""
        known = self._read()
        if known.pop(normalized(url), None) is not None:
            self._write(known)

    def _of(self, url: str) -> dict[str, Any]:
        return self._read().get(normalized(url), {})

    def _set(self, url: str, name: str, value: str | bool) -> None:
        known = self._read()  # anew: another Slicer may have written it
        kept = known.get(normalized(url), {})
        if kept.get(name, KINDS[name]()) != value:
            known[normalized(url)] = kept | {name: value}
            self._write(known)

    def _read(self) -> dict[str, dict[str, Any]]:
        try:
            known = json.loads(self.file.read_text(encoding="utf-8"))["servers"]
            for each in known.values():
                if not all(
                    isinstance(each.get(name, kind()), kind) for name, kind in KINDS.items()
                ):
                    raise TypeError("a value is of another type")
        except FileNotFoundError:
            return {}
        except OSError:
            logging.exception("LNGen: %s can't be read", self.file)
            return {}
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            self._keep_aside()
            return {}
        return known

    def _keep_aside(self) -> None:
        aside = self.file.with_suffix(f".unreadable-{secrets.token_hex(4)}")
        logging.warning("LNGen: %s can't be understood, and becomes %s", self.file, aside.name)
        with contextlib.suppress(OSError):
            self.file.rename(aside)
            aside.chmod(0o600)

    def _write(self, known: dict[str, dict[str, Any]]) -> None:
        content = json.dumps({"software": SOFTWARE, "servers": known}, indent=1)
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.file.parent.chmod(0o700)
        except OSError as error:
            raise InputError(
                _("The server's token can't be kept in {folder}: {reason}.").format(
                    folder=self.file.parent, reason=error.strerror
                )
            ) from error
        with whole_file(self.file) as temporary:
            temporary.touch(mode=0o600)
            temporary.write_text(content, encoding="utf-8")


def normalized(url: str) -> str:
    """An address as it is kept: as another spelling of the same server would be."""
    url = url.strip().rstrip("/")
    try:
        parts = urlsplit(url)
        port = "" if parts.port in (None, PORTS.get(parts.scheme)) else f":{parts.port}"
    except ValueError:
        return url
    if not parts.hostname:
        return url
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}{port}{parts.path}"


PORTS = {"http": 80, "https": 443}


def warning_of(url: str) -> str:
    """What is wrong with an address, or dangerous; '' where nothing is."""
    url = url.strip()
    if not url:
        return _("Give the server's address, as https://HOST:PORT.")
    try:
        host = host_of(url)
    except InputError:
        return _("This is no address of a server: give it as https://HOST:PORT.")
    if "@" in urlsplit(url).netloc:
        return _("Leave user and password out of the address: LNGen's servers take a token.")
    if urlsplit(url).scheme == "http" and not is_loopback(host):
        return _(
            "With http:// the CT and your token travel unencrypted: who is on the way can read "
            "them. Use https:// if the server has it."
        )
    return ""


def consent_text(url: str) -> str:
    """What the user agrees to before the first CT is sent to a server."""
    parts = urlsplit(url)
    if is_loopback(parts.hostname or ""):
        how = _("It does not leave this computer.")
    elif parts.scheme == "https":
        how = _("It travels encrypted.")
    else:
        how = _("It travels UNENCRYPTED: who is on the way can read it.")
    return _(
        "Send the CT to {url}?\n\n"
        "What goes: the voxels of the CT and of the organ segmentation, the region and the lymph "
        "nodes to avoid, where they lie in space, and what you ask for. Neither the patient's "
        "name nor any other DICOM tag goes, nor names of files.\n\n"
        "{how} The server keeps the voxels for about a day.\n\n"
        "Your answer is kept for this server until you let LNGen forget it."
    ).format(url=url, how=how)
