"""The organs of a CT, by the extension TotalSegmentator."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from subprocess import CalledProcessError

import slicer
from slicer.i18n import tr as _

from LNGenLib.errors import Canceled, InputError
from LNGenLib.service.protocol.endings import why_ended

LAST_LINES = 40  # of what it prints, among which the reason of a failure is looked for
DECLINED = ("User cancelled", "was cancelled")  # what its errors say where the user did
NO_MEMORY = ("out of memory", "OutOfMemory", "MemoryError", "DefaultCPUAllocator")


def segmentAnatomy(
    volumeNode: slicer.vtkMRMLScalarVolumeNode, log: Callable[[str], None] | None = None
) -> slicer.vtkMRMLSegmentationNode:
    """The organs of a CT as a new segmentation node; takes minutes, in which Slicer goes on.

    `log` is given each line that TotalSegmentator says meanwhile. Where there is no GPU, the user
    is offered its fast mode. Raises `Canceled` where the user declines, and InputError where it
    fails or the CT goes meanwhile; no node stays then.
    """
    said: deque[str] = deque(maxlen=LAST_LINES)

    def listen(text: str) -> None:
        said.append(text)
        if log is not None:
            log(text)
        slicer.app.processEvents()  # Slicer waits in this thread

    logic = _logic()
    logic.logCallback = listen
    try:
        logic.setupPythonRequirements()
    except Exception as error:
        raise _failure(error, _("TotalSegmentator could not be set up")) from error
    _check(volumeNode)
    name = _("{ct} anatomy").format(ct=volumeNode.GetName())
    anatomy = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
    try:
        # without a quality it offers no fast mode
        logic.process(volumeNode, anatomy, quality="normal", task="total", interactive=True)
        _check(volumeNode)
        if not slicer.mrmlScene.IsNodePresent(anatomy):  # taken out by the user
            raise Canceled
        if not anatomy.GetSegmentation().GetNumberOfSegments():
            raise InputError(_("TotalSegmentator found no organ in this CT. See the log."))
    except Exception as error:
        if slicer.mrmlScene.IsNodePresent(anatomy):
            slicer.mrmlScene.RemoveNode(anatomy)
        _check(volumeNode)  # whose absence explains any other error
        raise _failure(error, _("TotalSegmentator failed"), "\n".join(said)) from error
    return anatomy


def _logic():
    try:
        from TotalSegmentator import TotalSegmentatorLogic
    except ImportError as error:
        raise InputError(
            _("Install the extension TotalSegmentator in the Extensions Manager, then restart.")
        ) from error
    return TotalSegmentatorLogic()


def _check(volumeNode: slicer.vtkMRMLScalarVolumeNode) -> None:
    """Raise InputError where the user took the CT out of the scene."""
    if not slicer.mrmlScene.IsNodePresent(volumeNode):
        raise InputError(_("The CT is no longer in the scene: no anatomy was added."))


def _failure(error: Exception, what: str, said: str = "") -> Exception:
    """What to raise for an error: a sentence, its details logged."""
    if isinstance(error, (InputError, Canceled)):
        return error
    if any(words in str(error) for words in DECLINED):
        return Canceled()
    logging.exception("LNGen: %s", what)
    if any(words in said for words in NO_MEMORY):
        why = _("memory ran out. Crop the CT, or try the fast mode")
    elif isinstance(error, CalledProcessError) and said:
        why = why_ended(error.returncode, said)
    elif isinstance(error, CalledProcessError):  # pip's
        why = _("a Python package can't be installed. Check the connection to the internet")
    else:
        why = str(error).rstrip(".") or type(error).__name__
    return InputError(
        _("{what}: {why}. The Python console has the details.").format(what=what, why=why)
    )
