"""A small scripted module, for the tests of the panel host."""

import enum
from typing import Annotated

import qt
import slicer
import vtk
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import (
    Default,
    FloatRange,
    RangeBounds,
    WithinRange,
    parameterNodeWrapper,
    parameterPack,
)
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin


class Shape(enum.Enum):
    ANY = "any"
    ROUND = "round"

    def label(self):
        return f"{self.value} shape"


@parameterPack
class Nodes:
    count: Annotated[int, WithinRange(1, 50)] = 5
    sizes: Annotated[FloatRange, RangeBounds(1, 30), Default(FloatRange(3, 10))]
    shape: Shape = Shape.ANY


@parameterNodeWrapper
class SampleParameters:
    ct: slicer.vtkMRMLScalarVolumeNode
    anatomy: slicer.vtkMRMLSegmentationNode | slicer.vtkMRMLLabelMapVolumeNode | None
    nodes: Nodes
    strength: Annotated[float, WithinRange(0, 1)] = 0.5
    name: str = "sample"
    keep: bool = True


class PanelSample(ScriptedLoadableModule):
    def __init__(self, parent):
        super().__init__(parent)
        self.parent.title = _("Panel sample")


class PanelSampleLogic(ScriptedLoadableModuleLogic):
    def getParameterNode(self):
        return SampleParameters(super().getParameterNode())


class PanelSampleWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.parameters = self.tag = None

    def setup(self):
        super().setup()
        root = slicer.util.loadUI(self.resourcePath("UI/PanelSample.ui"))
        self.layout.addWidget(root)
        self.ui = slicer.util.childWidgetVariables(root)
        root.setMRMLScene(slicer.mrmlScene)
        self.logic, self.seen = PanelSampleLogic(), []
        scene = slicer.mrmlScene
        for event in (scene.StartCloseEvent, scene.StartImportEvent):
            self.addObserver(scene, event, self.onSceneGoes)
        for event in (scene.EndCloseEvent, scene.EndImportEvent):
            self.addObserver(scene, event, self.onSceneComes)
        self.timer = qt.QTimer()
        self.timer.setInterval(5)
        self.timer.timeout.connect(lambda: self.seen.append("tick"))
        self.ui.runButton.connect("clicked(bool)", self.onRun)
        self.ui.table.connect("cellClicked(int,int)", lambda *cell: self.seen.append(cell))
        self.bind()

    def bind(self):
        if self.parameters is not None:
            self.parameters.disconnectGui(self.tag)
        self.parameters = self.logic.getParameterNode()
        self.tag = self.parameters.connectGui(self.ui)

    def enter(self):
        self.seen.append("enter")

    def cleanup(self):
        self.timer.stop()
        self.removeObservers()

    def onSceneGoes(self, caller, event):
        self.parameters.disconnectGui(self.tag)
        self.parameters = None

    def onSceneComes(self, caller, event):
        self.bind()

    def onRun(self, checked):
        if slicer.util.confirmOkCancelDisplay(_("Place points?")):
            points = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "points")
            points.CreateDefaultDisplayNodes()
            points.AddControlPointWorld(vtk.vtkVector3d(20, 20, 20))
            self.timer.start()
