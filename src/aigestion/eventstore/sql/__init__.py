"""The log's SQL: one statement a file, named like what runs it; `migrations/` are numbered scripts."""

from importlib.resources import files


def statement(name: str) -> str:
    """The text of `<name>.sql`."""
    return files(__name__).joinpath(f"{name}.sql").read_text()


def migrations() -> list[tuple[int, str, str]]:
    """(version, name, script) of every migration, in order."""
    scripts = sorted(
        (entry.name.removesuffix(".sql"), entry.read_text())
        for entry in files(__name__).joinpath("migrations").iterdir()
        if entry.name.endswith(".sql")
    )
    return [(int(name.partition("_")[0]), name, script) for name, script in scripts]
