"""What `aigestion doctor` asks Postgres: one statement a file."""

from importlib.resources import files


def statement(name: str) -> str:
    """The text of `<name>.sql`."""
    return files(__name__).joinpath(f"{name}.sql").read_text()
