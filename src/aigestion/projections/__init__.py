"""What is kept for reading: pure functions from events to changes, and the runner that applies them."""
