"""How fast the log takes one-event appends, beside plain inserts and beside the `eventsourcing` library."""
