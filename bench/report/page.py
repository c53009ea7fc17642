"""The page: every measurement as a table, with its ratios, its machine and its day."""

from collections.abc import Sequence

from bench.results import Ratio, Section

HEAD = """# Performance

Measured by `make bench`, which writes this page; nothing in it is written by hand. Everything is compared with a
peer or with a limit in the same run, in turn, because a figure alone says more of a machine than of a program. What
each measurement does, and where the time goes, is in [bench/README.md](../../bench/README.md).

![Ours beside peers and limits](performance.svg)

A bar to the right of 1x: ours is better than the other side. A green mark is a goal; a bar that misses its goal has
another colour."""


def page(sections: Sequence[Section], versions: str) -> str:
    """Markdown."""
    return "\n\n".join([HEAD, versions, *map(_section, sections)]) + "\n"


def _section(section: Section) -> str:
    parts = [f"## {section.title}", f"{section.told}", _table(section)]
    if section.ratios:
        parts.append("\n".join(map(_ratio, section.ratios)))
    parts.append(f"`python -m bench.{section.name}`, {section.taken_at}. {section.hardware}.")
    return "\n\n".join(parts)


def _table(section: Section) -> str:
    columns = [one.strip() for one in section.columns]
    rule = ["---", *("---:" for _ in columns[1:])]
    return "\n".join(f"| {' | '.join(row)} |" for row in (columns, rule, *section.rows))


def _ratio(ratio: Ratio) -> str:
    goal = ""
    if ratio.goal is not None:
        goal = f" (goal: {ratio.goal:g}, {'missed' if ratio.missed else 'met'})"
    return f"- {ratio.what}: **{ratio.value:.2f}**{goal}"
