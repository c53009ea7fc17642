"""Who reacts: agents hear events and speak through commands."""
