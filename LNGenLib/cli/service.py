"""`lngen serve` and `lngen doctor`."""

from __future__ import annotations

import logging
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.table import Table

import LNGenLib
from LNGenLib.cli import options as opt
from LNGenLib.cli.console import console, say
from LNGenLib.errors import InputError
from LNGenLib.progress import SILENT

if TYPE_CHECKING:
    from LNGenLib.service.protocol.messages import CheckUp

MIB = 1 << 20


def serve(
    data: opt.ServerData,
    host: opt.Host = "127.0.0.1",
    port: opt.Port = 8471,
    token_file: opt.TokenFile = None,
    max_upload: opt.MaxUpload = 1024,
    max_jobs: opt.MaxJobs = 32,
    ssl_certfile: opt.Certificate = None,
    ssl_keyfile: opt.CertificateKey = None,
) -> None:
    """Do jobs for other machines, or other programs on this one (docs/server.md)."""
    from LNGenLib.service.client.connection import is_loopback
    from LNGenLib.service.protocol.tokens import Tokens

    if token_file is None and not is_loopback(host):
        raise InputError(f"{host} can be reached from other machines: give --token-file")
    for path in (ssl_certfile, ssl_keyfile):
        if path is not None and not path.is_file():
            raise InputError(f"{path} does not exist: check the path")
    if (ssl_certfile is None) != (ssl_keyfile is None):
        raise InputError("TLS takes both: give --ssl-certfile and --ssl-keyfile")
    token = None if token_file else secrets.token_urlsafe(32)
    tokens = Tokens((token,) if token else (), token_file)
    if not tokens.read():
        raise InputError(f"{token_file} holds no token: give a text file with a token a line")
    try:
        from LNGenLib.service.server.serve import listen
        from LNGenLib.service.server.serve import serve as serve_on
        from LNGenLib.service.server.service import Settings
    except ModuleNotFoundError as error:
        raise InputError(f'{error.name} is missing: pip install "lngen[serve]"') from error

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    tls = {"ssl_certfile": ssl_certfile, "ssl_keyfile": ssl_keyfile} if ssl_certfile else {}
    with listen(host, port) as sock:
        where = f"[{host}]" if ":" in host else host
        url = f"http{'s' if tls else ''}://{where}:{sock.getsockname()[1]}"
        say(f"listening at {url}")
        if token:
            say(f"token for this run: {token}")
        if not tls and not is_loopback(host):
            console.print("no TLS: put a reverse proxy with TLS before it (docs/server.md)")
        serve_on(Settings(data, tokens, max_upload * MIB, max_jobs), sock, **tls)


def doctor(server: opt.Server = None, token_file: opt.TokenFile = None, ca: opt.Ca = None) -> None:
    """Examine this machine, or a server: versions, device, memory, weights, a self test."""
    from LNGenLib.service.worker.doctor import examine

    if server is None:
        report = examine(LNGenLib.Models(), SILENT)
    else:
        report = _examined(server, token_file, ca)
    table = Table("what", "found", "")
    for finding in report.findings:
        table.add_row(finding.what, finding.found, "" if finding.good else "WRONG")
    console.print(table)
    if not report.good:
        raise typer.Exit(1)


def _examined(url: str, token_file: Path | None, ca: Path | None) -> CheckUp:
    """What a server reports of itself."""
    from LNGenLib.service.client.client import Client
    from LNGenLib.service.protocol.tokens import Tokens

    tokens = Tokens(file=token_file).read()
    if not tokens:
        raise InputError("a server asks for a token: give --token-file with one")
    client = Client(url, tokens[0], "" if ca is None else str(ca))
    capabilities = client.capabilities()
    console.print(f"{url}: {capabilities.software}, protocol {capabilities.protocol}")
    return client.check_up()
