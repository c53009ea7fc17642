"""How fast read models are filled from a long log."""
