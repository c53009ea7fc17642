"""What can be asked: one thin module a read model, its SQL beside it in `sql/`."""
