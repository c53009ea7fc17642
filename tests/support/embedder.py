"""An embedder for tests: fast, deterministic, and able to tell which words two texts share."""

import hashlib
import math


class WordEmbedder:
    """Texts that share words are near each other. Remembers what it was given."""

    model = "words-256"
    dimensions = 256

    def __init__(self) -> None:
        self.embedded: list[str] = []

    async def passages(self, texts: list[str]) -> list[list[float]]:
        self.embedded += texts
        return [_vector(text) for text in texts]

    async def query(self, text: str) -> list[float]:
        return _vector(text)


def _vector(text: str) -> list[float]:
    vector = [0.0] * WordEmbedder.dimensions
    for word in text.lower().split():
        for at in hashlib.sha256(word.strip(".,?!").encode()).digest()[:3]:
            vector[at] += 1.0
    length = math.sqrt(sum(x * x for x in vector)) or 1.0
    return [x / length for x in vector]
