"""How long the audit CLI takes on a long log, and how much memory."""
