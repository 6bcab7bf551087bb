"""Images: reading and writing, geometry, HU, noise and edges of a scan, components."""
