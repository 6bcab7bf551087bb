"""Gzip and zlib by ISA-L, which takes a fraction of zlib's time.

Zlib itself steps in where ISA-L is missing: in a Slicer that paints on a server, say.
"""

from __future__ import annotations

try:
    from isal import igzip_threaded
    from isal import isal_zlib as zlib
except ImportError:
    import zlib  # type: ignore[no-redef]

    igzip_threaded = None  # type: ignore[assignment]

__all__ = ["PIECE", "Damage", "igzip_threaded", "zlib"]

PIECE = 1 << 20  # bytes that are unpacked in one go
Damage: type[Exception] = zlib.error  # type: ignore[assignment]  # ISA-L's stubs call it an object
