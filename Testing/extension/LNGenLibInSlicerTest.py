"""The library in a scene, as CTest runs it in Slicer: SlicerPython, its MRML and its packages.

    ctest -R LNGenLibInSlicerTest   # in the extension's build folder

Nobody has run it in the Slicer application yet; pytest runs it on slicer-core, the real MRML
without Qt. Skipped in Slicer while PyTorch or MONAI are not installed there.
"""

import importlib.util
import unittest

import numpy as np
import slicer

MISSING = [name for name in ("torch", "monai", "einops") if not importlib.util.find_spec(name)]


@unittest.skipIf(MISSING, f"not installed in this Python: {', '.join(MISSING)}")
class LNGenLibInSlicerTest(unittest.TestCase):
    """A phantom in the scene, a lymph node painted into it, and taken out again."""

    def setUp(self):
        slicer.mrmlScene.Clear(0)

    def test_paint_and_undo(self):
        """The result holds one segment; after undo, its voxels are those of the CT."""
        from LNGenLib.mrml.case import synthesize_in_scene
        from LNGenLib.mrml.undo import undo
        from LNGenLib.mrml.volumes import LABELS, to_volume
        from LNGenLib.phantom import pelvic_phantom
        from LNGenLib.structure.sizes import Sizes
        from LNGenLib.synthesis.models import Models
        from LNGenLib.synthesis.request import SynthesisRequest

        phantom = pelvic_phantom(seed=1, spacing=(3.0, 3.0, 3.0))
        ct = to_volume(slicer.mrmlScene, phantom.ct, "CT")
        labels = to_volume(slicer.mrmlScene, phantom.labels, "labels", LABELS)
        request = SynthesisRequest(
            1, Sizes("uniform", 9.0, 9.0), texture_steps=2, structure_steps=4
        )
        before = slicer.util.arrayFromVolume(ct).copy()

        synthetic = synthesize_in_scene(ct, request, labels, models=Models("cpu"))

        self.assertIn("SYNTHETIC", synthetic.GetName())
        self.assertTrue((slicer.util.arrayFromVolume(synthetic) != before).any())
        np.testing.assert_array_equal(slicer.util.arrayFromVolume(ct), before)
        undo(synthetic, 1)
        np.testing.assert_array_equal(slicer.util.arrayFromVolume(synthetic), before)


if __name__ == "__main__":
    unittest.main()
