"""The section Backend: where jobs are done, whether it is well, and its setup."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import qt
import slicer
from slicer.i18n import tr as _

from LNGenLib.errors import Canceled, InputError
from LNGenLib.service.client.backend import Choice
from LNGenLib.service.protocol.messages import CheckUp
from LNGenPanel.packages import install, missing
from LNGenPanel.parameters import Device, Host

GRAY, YELLOW, GREEN, RED = "#8a8a8a", "#e0a800", "#2e9e44", "#d03a2f"
TOKEN, CONSENT = "LNGen/token/{url}", "LNGen/consent/{url}"


class BackendSection:
    """Binds the section's widgets; `choice` is what jobs are given."""

    def __init__(self, panel, requirements: Path):
        self.panel, self.ui, self.requirements = panel, panel.ui, requirements
        self.ui.testButton.connect("clicked(bool)", self.test)
        self.ui.setupButton.connect("clicked(bool)", self.setUp)
        self.ui.tokenEdit.connect("editingFinished()", self._keepToken)
        self._shown = None

    @property
    def url(self) -> str:
        """The address of the server, as the user gave it."""
        return self.panel.parameters.backend.url.strip().rstrip("/")

    def update(self) -> None:
        """Show what belongs to the chosen host; look what is missing where another was chosen."""
        backend = self.panel.parameters.backend
        local = backend.host is Host.local
        for name in ("deviceLabel", "deviceBox", "setupButton"):
            getattr(self.ui, name).visible = local
        for name in ("urlLabel", "urlEdit", "tokenLabel", "tokenEdit"):
            getattr(self.ui, name).visible = not local
        shown = backend.host, backend.device, self.url
        if shown != self._shown:
            self._shown = shown
            self.ui.tokenEdit.text = self._setting(TOKEN)
            self.look()

    def look(self) -> None:
        """Say whether jobs can be done, as far as it is known without trying."""
        lacking = self._lacking()
        self.ui.setupButton.enabled = bool(lacking)
        if lacking:
            text = _("Not set up: {packages} missing. A server needs none of this.")
            self.show(RED, text.format(packages=", ".join(lacking)))
        else:
            self.show(GRAY, _("Not tried yet"))

    def show(self, color: str, text: str, details: str = "") -> None:
        """Set the light and what it says."""
        self.ui.statusLight.styleSheet = f"color: {color}; font-size: 18px"
        self.ui.statusLabel.text = text
        self.ui.statusLabel.toolTip = details or text

    def choice(self) -> Choice:
        """What the user chose, with consent; raises `Canceled` without, and InputError where the
        worker on this computer lacks packages and the user installs none."""
        backend = self.panel.parameters.backend
        if backend.host is Host.local:
            if self._lacking():
                self._install()
            if self._lacking():
                raise InputError(self.ui.statusLabel.text)
            return Choice(cpu=backend.device is Device.cpu)
        if not self.url:
            raise InputError(_("give the address of the server"))
        if not slicer.util.toBool(self._setting(CONSENT) or "false"):
            text = _("The CT and its anatomy will be sent to {url}. Send them?")
            if not slicer.util.confirmYesNoDisplay(text.format(url=self.url)):
                raise Canceled
            qt.QSettings().setValue(self._key(CONSENT), "true")
        return Choice(url=self.url, token=self.ui.tokenEdit.text.strip())

    def test(self, *_clicked) -> None:
        """Let the backend examine itself: versions, device, weights, one lymph node."""

        def work(progress):
            client = jobs.backend.client(choice)
            client.capabilities()
            return client.check_up(progress)

        jobs = self.panel.jobs
        with self.panel.status.saying():
            choice = self.choice()
            self.show(YELLOW, _("Testing"))
            self.panel.start(work, self._tested)

    def _tested(self, checked: CheckUp) -> None:
        details = "\n".join(f"{each.what}: {each.found}" for each in checked.findings)
        bad = [f"{each.what}: {each.found}" for each in checked.findings if not each.good]
        device = next(each.found for each in checked.findings if each.what == "device")
        if bad:
            self.show(RED, "; ".join(bad), details)
        else:
            self.show(GREEN, _("Ready, on {device}").format(device=device), details)

    def setUp(self, *_clicked) -> None:
        """Explain what is missing, and install it on consent."""
        with self.panel.status.saying():
            self._install()

    def _install(self) -> None:
        try:
            install(self.requirements)
        finally:
            self.look()

    def _lacking(self) -> list[str]:
        local = self.panel.parameters.backend.host is Host.local
        return missing(self.requirements) if local else []

    def _keepToken(self) -> None:
        qt.QSettings().setValue(self._key(TOKEN), self.ui.tokenEdit.text.strip())

    def _setting(self, key: str) -> str:
        return qt.QSettings().value(self._key(key), "") or ""

    def _key(self, key: str) -> str:
        return key.format(url=quote(self.url, safe=""))
