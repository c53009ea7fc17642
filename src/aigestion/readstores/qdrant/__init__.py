"""Meaning in Qdrant: a point a row, with the vector of its text; a shard a view."""
