"""The engines `aigestion up` brings along and supervises, and the folder their state lives in."""
