"""AIGestion: the event-sourced backend for AI agents."""

__version__ = "0.1.0"
