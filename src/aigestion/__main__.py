"""The program's face: `aigestion …` and `python -m aigestion …`."""

import io
import sys

from aigestion.cli.app import aigestion


def main() -> None:
    """Run the command line and exit."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal of another encoding gets escapes
            stream.reconfigure(errors="backslashreplace")
    aigestion(prog_name="aigestion")


if __name__ == "__main__":
    main()
