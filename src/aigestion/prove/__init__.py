"""`aigestion prove`: a throw-away system under load and faults, and a check from the outside of what it promised."""
