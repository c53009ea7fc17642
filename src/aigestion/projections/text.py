"""Text as every engine can keep it."""


def storable(text: str) -> str:
    """The same text; a NUL, which PostgreSQL cannot hold, becomes the replacement character."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")
