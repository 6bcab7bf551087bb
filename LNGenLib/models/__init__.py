"""Shipped weights and their cards, and how weights are saved, checked and loaded."""
