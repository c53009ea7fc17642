"""The log as evidence: verified against itself, the broker and the views, and replayed to any moment."""
