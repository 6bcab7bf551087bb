"""Bearer tokens: who may use the server. A client is known by its token's hash only."""

from __future__ import annotations

import hashlib
import hmac
import logging
from dataclasses import dataclass
from pathlib import Path

from LNGenLib.errors import InputError

SHORTEST = 24  # characters; what a person makes up is shorter and is guessed

log = logging.getLogger(__name__)


def client_of(token: str) -> str:
    """The name under which a token's jobs and uploads are kept: 32 hex digits."""
    return hashlib.sha256(token.encode()).hexdigest()[:32]


@dataclass(frozen=True)
class Tokens:
    """The tokens that are valid now: `given` ones, and those of a file, a line each.

    The file is read again at every request, so that a line removed revokes its token. Empty lines
    and those that begin with # are skipped.
    """

    given: tuple[str, ...] = ()
    file: Path | None = None

    def read(self) -> tuple[str, ...]:
        """All valid tokens; InputError where the file can't be read or a token is too short."""
        if self.file is None:
            return self.given
        try:
            lines = self.file.read_text().splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(
                f"{self.file} can't be read: give a text file with a token a line"
            ) from error
        tokens = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
        if any(len(token) < SHORTEST or not token.isascii() for token in tokens):
            raise InputError(
                f"{self.file} holds a token of less than {SHORTEST} ASCII characters: "
                'make one by `python -c "import secrets; print(secrets.token_urlsafe(32))"`'
            )
        return self.given + tuple(tokens)

    def client(self, authorization: str) -> str | None:
        """The client of an Authorization header, or None where its token is not valid.

        Every token is compared, each in constant time, so that time tells nothing.
        """
        scheme, _, given = authorization.partition(" ")
        try:
            valid = self.read()
        except InputError as error:
            log.error("no token is valid: %s", error)
            return None
        found = None
        for token in valid:
            if hmac.compare_digest(given.encode(), token.encode()):
                found = client_of(token)
        return found if scheme.lower() == "bearer" else None
