"""Settings to a running system, by hand and in order; the only place that picks adapters."""
