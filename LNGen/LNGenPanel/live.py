"""Live: each change of the preview is painted at once, and can be undone."""

from __future__ import annotations

import dataclasses
import threading

import qt
import slicer
from slicer.i18n import tr as _

from LNGenLib.errors import InputError
from LNGenLib.mrml.live import Change, originals_under
from LNGenLib.mrml.markups import plan_of, to_preview
from LNGenLib.mrml.results import TO_CT, add_result
from LNGenLib.mrml.volumes import check_same_place
from LNGenLib.synthesis.painted import Painted
from LNGenLib.synthesis.plan import Plan
from LNGenLib.synthesis.request import SynthesisRequest
from LNGenLib.synthesis.session import Session
from LNGenPanel.parameters import LNGenParameterNode
from LNGenPanel.preview import PreviewSection
from LNGenPanel.request import checkThere, chosen, requestOf
from LNGenPanel.results import ResultsSection
from LNGenPanel.section import Section
from LNGenPanel.texts import edited, sentence
from LNGenPanel.wheel import Wheel


class LiveSection(Section):
    """Binds *Live* and its undo. While it is on, `follow` paints what the preview has become since,
    one edit at a time, into one volume; what is refused goes back to where it was."""

    def __init__(self, preview: PreviewSection, results: ResultsSection):
        self.preview, self.results, ui = preview, results, preview.ui
        self.ui, self.jobs, self.status = ui, preview.jobs, preview.status
        self.backend, self.location = preview.backend, preview.location
        self.session: Session | None = None
        self._of: tuple[slicer.vtkMRMLNode, ...] = ()  # CT, preview and volume of the session
        self._shown = Painted(Plan(SynthesisRequest(), (), None))  # what the volume shows
        self._sent: Plan | None = None  # what the job that runs paints
        self._lock = threading.Lock()
        self._wheel = Wheel(preview)
        ui.liveCheckBox.connect("clicked(bool)", self._onLive)
        ui.undoEditButton.connect("clicked(bool)", lambda *_clicked: self._step("undo"))
        ui.redoEditButton.connect("clicked(bool)", lambda *_clicked: self._step("redo"))

    def bind(self, parameters: LNGenParameterNode | None) -> None:
        """Follow these choices; *Live* is off at first."""
        super().bind(parameters)
        self.stop()

    def update(self) -> None:
        """Offer what can be done; end where CT, preview or volume is no longer chosen."""
        parameters, on = self.parameters, self.session is not None
        if on and self._of != (parameters.ct, parameters.preview, parameters.result):
            self.stop()
            on = False
        self.ui.liveCheckBox.checked = on
        self.ui.liveCheckBox.enabled = on or (self.jobs.idle and parameters.ct is not None)
        for button, name in ((self.ui.undoEditButton, "undo"), (self.ui.redoEditButton, "redo")):
            button.visible = on
            button.enabled = on and self.jobs.idle and getattr(self.session, f"can_{name}")

    def stop(self) -> None:
        """Paint no changes any more; what is painted stays."""
        self.session, self._of, self._sent = None, (), None
        self.preview.showShapes(True)
        self.preview.live = self.results.live = False
        self._wheel.stop()

    def ended(self, message: str | None) -> None:
        """A job is over, `message` says how, as `Jobs` has it. An edit that failed or was canceled
        is taken back; what was changed meanwhile follows."""
        sent, self._sent = self._sent, None
        if sent is not None and message is not None and self.session is not None:
            self._present(self._shown, sent)
        self.follow()

    def follow(self) -> None:
        """Paint what the preview has become, as soon as nothing else is done."""
        if self.session is not None:
            qt.QTimer.singleShot(0, self._follow)

    def _follow(self) -> None:
        session = self.session
        if session is None or self.preview.dragging or not self.jobs.idle:
            return
        ct, preview, _result = self._of
        parameters = self.parameters
        if self._of != (parameters.ct, parameters.preview, parameters.result):
            self.update()  # which could not hear of it while another module was shown
            return
        try:
            check_same_place(ct, session.scan.ct, _("what Live began with"))
            self._paint(session, plan_of(preview))
        except InputError as error:
            self.stop()
            self.update()
            self.status.say(sentence(str(error)), error=True)

    def _paint(self, session: Session, plan: Plan) -> None:
        """Paint what the preview's `plan` has that the session has not, one new node at a time."""
        known = {node.number for node in session.plan.nodes}
        new = [node.number for node in plan.nodes if node.number not in known]
        fit = new[0] if new else None
        kept = tuple(node for node in plan.nodes if node.number not in new[1:])
        plan = dataclasses.replace(plan, nodes=kept)
        if session.shows(plan):
            return

        shown = self._shown

        def work(progress):
            with self._lock:  # one that was canceled may not have ended yet
                try:
                    session.show(plan, fit, progress)
                except InputError as error:
                    return error  # said at the cursor, too
                return Change.between(session.scan, shown, session.painted)

        def done(outcome):
            if self.session is not session:  # Live has ended meanwhile
                return
            if isinstance(outcome, InputError):
                qt.QToolTip.showText(qt.QCursor.pos(), sentence(str(outcome)))
                raise outcome
            self._show(outcome, plan)

        self.jobs.start(work, done)
        self._sent = plan

    def _show(self, change: Change, sent: Plan) -> None:
        """Show a change in the volume, and the preview as it was painted of what was `sent`."""
        self._shown = change.after
        change.show(self._of[-1])
        # next, so that views show the volume before
        qt.QTimer.singleShot(0, lambda: self._present(change.after, sent))
        self.results.update()
        self.status.say(edited(change.before, change.after))

    def _present(self, painted: Painted, sent: Plan) -> None:
        """Let the preview be what is painted, but for what was changed since it was `sent`."""
        if self.session is None:  # meanwhile
            return
        now = {node.number: node for node in painted.plan.nodes}
        asked = {node.number: node.unnamed for node in sent.nodes}
        kept = []
        for node in plan_of(self.parameters.preview).nodes:
            changed = asked.get(node.number) != node.unnamed
            new = node if changed else now.get(node.number)
            kept += [] if new is None else [new]
        there = {node.number for node in kept}
        kept += [now[number] for number in now if number not in there | asked.keys()]
        surfaces = dict(zip(now, painted.surfaces))
        self.preview.showPlan(dataclasses.replace(painted.plan, nodes=tuple(kept)), surfaces)
        self.preview.showShapes(False)

    def _step(self, name: str) -> None:
        """Undo or redo an edit: by Slicer's own where that is on, else by the session's."""
        session, scene = self.session, slicer.mrmlScene
        if scene.GetUndoFlag():
            getattr(scene, name.capitalize())()
            self.follow()
            return
        getattr(session, name)()
        with self.status.saying():
            plan = plan_of(self.parameters.preview)
            self._show(Change.between(session.scan, self._shown, session.painted), plan)
        self.update()

    def _onLive(self, on: bool) -> None:
        if not on:
            self.stop()
            self.results.update()
            self.update()
            return
        parameters = self.parameters

        def work(progress):
            painter = self.jobs.backend.painter(choice, inputs.scan())
            session = Session(painter.scan, plan, None, painter, progress)
            return session, session.result(), originals_under(session.scan, session.painted)

        def done(outcome):
            session, result, originals = outcome
            checkThere(ct)
            checkThere(preview)
            parameters.result = add_result(ct, result, originals)
            self.session, self._of = session, (ct, preview, parameters.result)
            self._shown = session.painted
            self.preview.live = self.results.live = True
            self._present(session.painted, plan)
            self._wheel.start(session)
            self.results.update()
            self.status.say(_("Live: drag, resize or add lymph nodes; each is painted at once."))

        with self.status.saying():
            ct = chosen(parameters.ct, _("Select a CT volume."))
            preview = parameters.preview or self._blank(ct)
            if preview.GetNodeReference(TO_CT) not in (None, ct):
                raise InputError(_("The preview is of another CT: preview again, or clear it."))
            plan, inputs, choice = plan_of(preview), self.location.inputs(), self.backend.choice()
            self.jobs.start(work, done)
        self.update()

    def _blank(self, ct: slicer.vtkMRMLScalarVolumeNode) -> slicer.vtkMRMLMarkupsFiducialNode:
        """A preview without lymph nodes, to which some can be added."""
        request = dataclasses.replace(requestOf(self.parameters), points=(), count=1)
        name = _("{ct} lymph node preview").format(ct=ct.GetName())
        preview = to_preview(slicer.mrmlScene, Plan(request, (), None), name)
        preview.SetNodeReferenceID(TO_CT, ct.GetID())
        self.preview.adopt(preview)
        return preview
