"""How close generated results are to real ones."""
