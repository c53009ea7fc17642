"""The programs in `examples/`, as somebody would install and run them."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

BUILD_SECONDS_MAX = 120


def prepared(example: Path, home: Path) -> list[str | Path]:
    """The command that runs an example of which a copy, with what it needs, is made in `home`."""
    shutil.copytree(example, home)
    match example.name:
        case "python":
            (program,) = home.glob("*.py")
            uv = Path(sys.executable).parent / "uv"
            _run(uv, "pip", "install", "-q", "--target", "lib", "-r", "requirements.txt", home=home)
            return ["env", f"PYTHONPATH={home / 'lib'}", sys.executable, program]
        case "node":
            _run(_tool("node"), "--version", home=home)
            _run(_tool("npm"), "ci", "--no-audit", "--no-fund", home=home)
            return ["node", home / "subscriber.js"]
        case _:
            _run(_tool("go"), "build", "-o", "subscriber", ".", home=home)
            return [home / "subscriber"]


def _tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed here: its example was not run")
    return found


def _run(*command: str | Path, home: Path) -> None:
    done = subprocess.run(
        command, cwd=home, capture_output=True, text=True, timeout=BUILD_SECONDS_MAX, check=False
    )
    if done.returncode:
        pytest.skip(f"what the example needs cannot be had here: {done.stderr[-300:]}")


@contextmanager
def started(
    command: list[str | Path], output: Path, **environment: str
) -> Iterator[Callable[[], list[str]]]:
    """A running example; yields what it has printed so far."""
    with ExitStack() as stack:
        out = stack.enter_context(output.open("wb"))
        err = stack.enter_context(output.with_suffix(".err").open("wb"))
        program = subprocess.Popen(
            command, stdout=out, stderr=err, env={**os.environ, **environment}
        )
        try:
            yield lambda: output.read_text().splitlines()
            assert program.poll() is None, output.with_suffix(".err").read_text()
        finally:
            program.kill()
            program.wait()
