"""The page `docs/reference/performance.md` and its picture, made of what measurements kept."""
