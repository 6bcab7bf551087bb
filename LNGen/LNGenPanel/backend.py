"""The section Advanced, its backend: where jobs are done, whether it is well, and its setup."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ctk
import qt
from slicer.i18n import tr as _

from LNGenLib.errors import Canceled, InputError
from LNGenLib.service.client.backend import Choice
from LNGenLib.service.client.connection import host_of
from LNGenLib.service.protocol.messages import CheckUp
from LNGenLib.service.protocol.tokens import SHORTEST
from LNGenPanel.asking import confirmed
from LNGenPanel.choices import Device, Host
from LNGenPanel.jobs import Jobs
from LNGenPanel.packages import install, missing, unsupported
from LNGenPanel.section import Section
from LNGenPanel.servers import Servers, consent_text, warning_of
from LNGenPanel.status import Status

LOCAL = ("deviceLabel", "deviceBox", "setupButton")
REMOTE = ("urlLabel", "urlEdit", "tokenLabel", "tokenEdit", "caLabel", "caEdit", "forgetButton")


class BackendSection(Section):
    """Binds the widgets; `choice` is what jobs are given. `servers` keeps what the user said of
    each server; `requirements` lists what the worker on this computer needs."""

    def __init__(self, ui: Any, jobs: Jobs, status: Status, servers: Servers, requirements: Path):
        self.ui, self.jobs, self.status = ui, jobs, status
        self.servers, self.requirements = servers, requirements
        self._shown: tuple | None = None
        self._testing = False
        ui.caEdit.filters = ctk.ctkPathLineEdit.Files
        ui.testButton.connect("clicked(bool)", self.test)
        ui.setupButton.connect("clicked(bool)", self.setUp)
        ui.forgetButton.connect("clicked(bool)", self._onForget)
        ui.tokenEdit.connect("editingFinished()", self._keep)
        ui.caEdit.connect("currentPathChanged(QString)", self._keep)
        ui.setupLabel.connect("linkActivated(QString)", self._onLink)

    @property
    def local(self) -> bool:
        """Whether jobs are done on this computer."""
        return self.parameters.backend.host is Host.local

    @property
    def url(self) -> str:
        """The address of the server, as the user gave it."""
        return self.parameters.backend.url.strip().rstrip("/")

    def update(self) -> None:
        """Show what belongs to the chosen host; look what is missing where another was chosen."""
        for names, visible in ((LOCAL, self.local), (REMOTE, not self.local)):
            for name in names:
                getattr(self.ui, name).visible = visible
        self.ui.testButton.enabled = self.jobs.idle
        shown = self.parameters.backend.host, self.parameters.backend.device, self.url
        if shown != self._shown:
            self._shown = shown
            self._fill()
            self.look()

    def look(self) -> None:
        """Say whether jobs can be done, as far as it is known without trying."""
        lacking = self._lacking() if self.local else []
        self.ui.setupButton.enabled = bool(lacking) and not unsupported()
        self.ui.setupLabel.text = ""
        if self.local and unsupported():
            text = '{reason} <a href="server">{server}</a>'
            self._show(unsupported(), text.format(reason=unsupported(), server=_("Use a server")))
        elif lacking:
            state = _("Not set up: {packages} missing.").format(packages=", ".join(lacking))
            text = '{state} <a href="setup">{setup}</a> <a href="server">{server}</a>'
            link = text.format(state=state, setup=_("Set up..."), server=_("Use a server"))
            self._show(state, link)
        else:
            warning = warning_of(self.url) if self.url and not self.local else ""
            self._show(warning or _("Not tried yet."))
        self.ui.setupLabel.visible = bool(self.ui.setupLabel.text)

    def choice(self, sends: bool = True) -> Choice:
        """What the user chose. Raises `Canceled` where the user declines: to install packages, or,
        if the job `sends` the CT, to send it; InputError where jobs can't be done there."""
        if self.local:
            if unsupported():
                raise InputError(unsupported())
            if self._lacking():
                self._install()
            return Choice(cpu=self.parameters.backend.device is Device.cpu)
        if not self.url:
            raise InputError(_("Enter the address of the server, under Advanced."))
        host_of(self.url)  # InputError for what is none
        if len(self._token()) < SHORTEST:
            raise InputError(_("Enter your token of the server, under Advanced."))
        if sends and not self.servers.consent(self.url):
            if not confirmed(consent_text(self.url)):
                raise Canceled
            self.servers.setConsent(self.url, True)
        return Choice(url=self.url, token=self._token(), ca=self.ui.caEdit.currentPath)

    def test(self, *_clicked) -> None:
        """Let the backend examine itself: versions, device, weights, one lymph node."""

        def work(progress):
            client = self.jobs.backend.client(choice)
            client.capabilities()
            return client.check_up(progress)

        with self._telling():
            choice = self.choice(sends=False)
            self._show(_("Testing"))
            self.jobs.start(work, self._tested)
            self._testing = True

    def ended(self, message: str | None) -> None:
        """Say how a test ended, and after another job that failed what may be missing."""
        testing, self._testing = self._testing, False
        if testing and message:
            self._show(message)
        elif testing and message is not None:
            self.look()
        elif message and self.parameters is not None and self._lacking():
            self.look()

    def setUp(self, *_clicked) -> None:
        """Explain what is missing, and install it on consent."""
        with self._telling():
            self._install()

    def _tested(self, checked: CheckUp) -> None:
        details = "\n".join(f"{each.what}: {each.found}" for each in checked.findings)
        bad = [f"{each.what}: {each.found}" for each in checked.findings if not each.good]
        if bad:
            raise InputError("; ".join(bad))
        device = next(each.found for each in checked.findings if each.what == "device")
        self._show(_("Ready, on {device}").format(device=device), details=details)

    @contextlib.contextmanager
    def _telling(self) -> Iterator[None]:
        """What goes wrong is said beside Generate and as the backend's state."""
        with self.status.saying():
            try:
                yield
            except InputError as error:
                self._show(str(error))
                raise

    def _install(self) -> None:
        try:
            hint = install(self.requirements)
        finally:
            self.look()
        self.status.say(hint or _("The packages are installed."))

    def _lacking(self) -> list[str]:
        return missing(self.requirements) if self.local else []

    def _show(self, state: str, link: str = "", details: str = "") -> None:
        self.ui.backendLabel.text, self.ui.backendLabel.toolTip = state, details or state
        self.ui.setupLabel.text = link

    def _token(self) -> str:
        return self.ui.tokenEdit.text.strip()

    def _fill(self) -> None:
        """Show what is kept of the server."""
        was = self.ui.caEdit.blockSignals(True)
        self.ui.tokenEdit.text = self.servers.token(self.url)
        self.ui.caEdit.currentPath = self.servers.ca(self.url)
        self.ui.caEdit.blockSignals(was)

    def _keep(self, *_changed) -> None:
        if self.parameters is not None and self.url:
            with self.status.saying():
                self.servers.setToken(self.url, self._token())
                self.servers.setCa(self.url, self.ui.caEdit.currentPath)

    def _onForget(self, *_clicked) -> None:
        with self.status.saying():
            self.servers.forget(self.url)
            self._fill()
            self.status.say(_("Token, certificate and consent of this server are forgotten."))

    def _onLink(self, link: str) -> None:
        if link == "setup":
            self.setUp()
            return
        self.parameters.backend.host = Host.server
        self.ui.advancedCollapsibleButton.collapsed = False
        qt.QTimer.singleShot(0, self._reachAddress)  # once it is laid out

    def _reachAddress(self) -> None:
        if self.parameters is None:  # the panel was closed meanwhile
            return
        self.ui.sectionsArea.ensureWidgetVisible(self.ui.urlEdit)
        self.ui.urlEdit.setFocus()
