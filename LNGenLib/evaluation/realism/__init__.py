"""Whether painted lymph nodes can be told from real bodies, and how they fit their scan."""
