"""From the log to the broker, and from the broker to readers."""
