"""Read models in PostgreSQL: a schema a view, its checkpoint in the same transaction."""
