"""Scene and library: MRML nodes to the library's types and back. No Qt.

Runs in 3D Slicer and on PyPI's slicer-core; the only package of LNGenLib that imports `slicer`.
"""
