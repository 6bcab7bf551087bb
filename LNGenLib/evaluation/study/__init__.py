"""Whether radiologists tell painted lymph nodes from real ones."""
