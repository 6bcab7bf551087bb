"""Panel host: runs a scripted module's real file and real .ui in PySide6, on slicer-core's MRML.

Ours are small stand-ins of PythonQt, CTK, qMRML widgets and Slicer's Python parts that slicer-core
lacks; what they don't know is an error. A test in it is no test in 3D Slicer: it says nothing of
PythonQt's type conversion.
"""

import os

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")

from panel_host.host import PanelHost  # noqa: E402
from panel_host.pythonqt import NotInHost  # noqa: E402

__all__ = ["NotInHost", "PanelHost"]
