"""How much memory each process takes, and how soon it answers, beside a bare Litestar application."""
