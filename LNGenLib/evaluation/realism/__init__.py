"""Whether painted lymph nodes can be discriminated from real bodies, and fit their scan."""
