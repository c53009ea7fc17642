"""Use cases of runs: an agent records each step before and after it (law 7)."""
