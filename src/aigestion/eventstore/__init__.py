"""The log: the only truth (law 1)."""
