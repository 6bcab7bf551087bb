"""How well lymph nodes are found (Table I)."""
