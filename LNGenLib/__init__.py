"""LNGenLib: synthetic lymph nodes for CT (LN-Gen), the library behind the 3D Slicer extension.

Importing this package is cheap: torch, monai and vtk load on first use.
"""

__version__ = "0.1.0"
