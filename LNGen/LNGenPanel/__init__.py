"""The parts of the LNGen module's panel; LNGen.py puts them together."""
