"""The HTTP door: parse, dispatch or query, answer."""
