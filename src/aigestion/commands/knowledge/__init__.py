"""Use cases of knowledge."""
