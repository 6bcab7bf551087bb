"""Where a lymph node may lie (LN-Gen section III-C): anatomy, candidate region, sampling."""
