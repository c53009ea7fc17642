"""A production set on one machine: engines that processes share, and roles as processes of their own."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Self
from urllib.error import URLError

from aigestion.embedded.nats_configuration import USERS, configuration
from tests.support.engines import free_port, postgres_server
from tests.support.program import AIGESTION

READY_SECONDS_MAX = 60.0
STOP_SECONDS_MAX = 20.0
OPERATOR_KEY = "operator-" + "k" * 32
PASSWORDS = {user: f"{user}-password" for user in USERS}


class Role:
    """One `aigestion api`, `relay`, `project` or `agents`."""

    def __init__(
        self, name: str, number: int, folder: Path, environment: Mapping[str, str]
    ) -> None:
        self.name = name
        self.log = folder / f"{name}-{number}.log"
        self.port = free_port()
        kind = "HTTP" if name == "api" else "OPERATIONS"
        self._environment = {**environment, f"AIGESTION_{kind}__PORT": str(self.port)}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [AIGESTION, self.name], env=self._environment, stdout=log, stderr=log
            )

    def wait_ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS_MAX
        while self.get("/health/ready")[0] != 200:
            assert self.running, self.said()
            assert time.monotonic() < deadline, f"{self.get('/health/ready')} {self.said()}"
            time.sleep(0.05)

    def terminate(self) -> int:
        """SIGTERM; returns the exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(STOP_SECONDS_MAX)

    def kill(self) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.kill()
            self._process.wait()

    def get(self, path: str) -> tuple[int, str]:
        """(status, text) of what the role itself says; 0 if it does not answer."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except (URLError, OSError) as error:
            return 0, str(error)

    def metric(self, name: str) -> float | None:
        """The value of one sample, with its labels as Prometheus writes them."""
        for line in self.get("/metrics")[1].splitlines():
            if line.startswith(f"{name} "):
                return float(line.rpartition(" ")[2])
        return None

    def said(self) -> str:
        return self.log.read_text()[-4000:] if self.log.exists() else ""


class Cluster:
    """Shared engines, running; roles are started one by one and end with the block."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self.environment = dict(environment)
        self.roles: list[Role] = []

    def role(self, name: str, **settings: str) -> Role:
        """Another process of this role, not started yet."""
        environment = self.environment | settings
        if name == "relay":
            environment["AIGESTION_NATS_URL"] = environment["TEST_NATS_RELAY_URL"]
        role = Role(name, len(self.roles), self.folder, environment)
        self.roles.append(role)
        return role

    def started(self, *names: str, **settings: str) -> list[Role]:
        """Processes of these roles, all ready."""
        roles = [self.role(name, **settings) for name in names]
        for role in roles:
            role.start()
        for role in roles:
            role.wait_ready()
        return roles

    def cli(self, *arguments: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """Another command on the same servers."""
        return subprocess.run(
            [AIGESTION, *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def tenant(self, name: str) -> str:
        """Make a tenant; returns its key."""
        made = self.cli("tenants", "create", name, "--json")
        assert made.returncode == 0, made.stderr
        key: str = json.loads(made.stdout)["key"]
        return key

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for role in self.roles:
            role.kill()


@contextmanager
def cluster(
    folder: Path, *, elasticsearch_url: str | None = None, valkey_url: str | None = None
) -> Iterator[Cluster]:
    """Every engine of a production set, of its own, migrated; nothing is left running."""
    with ExitStack() as stack:
        postgres = stack.enter_context(postgres_server())
        nats = stack.enter_context(_nats(folder / "nats"))
        clickhouse = stack.enter_context(_server("clickhouse_server", folder / "clickhouse"))
        qdrant = stack.enter_context(_server("qdrant_server", folder / "qdrant"))
        runtime = postgres.replace("postgres@", "aigestion:runtime@")
        environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("AIGESTION_")},
            "NO_COLOR": "1",
            "AIGESTION_POSTGRES_OWNER_URL": postgres,
            "AIGESTION_POSTGRES_URL": runtime,
            "AIGESTION_NATS_URL": nats.format(user="app", password=PASSWORDS["app"]),
            "TEST_NATS_RELAY_URL": nats.format(user="relay", password=PASSWORDS["relay"]),
            "AIGESTION_CLICKHOUSE_URL": clickhouse,
            "AIGESTION_QDRANT_URL": qdrant,
            "AIGESTION_LOG__MASTER_KEY_FILE": str(folder / "master.key"),
            "AIGESTION_OPERATOR_KEY": OPERATOR_KEY,
        }
        if elasticsearch_url is not None:
            environment["AIGESTION_ELASTICSEARCH_URL"] = elasticsearch_url
        if valkey_url is not None:
            environment["AIGESTION_VALKEY_URL"] = valkey_url
        made = stack.enter_context(Cluster(folder, environment))
        migrated = made.cli("migrate")
        assert migrated.returncode == 0, migrated.stderr
        yield made


@contextmanager
def _nats(folder: Path) -> Iterator[str]:
    """A broker with the accounts and rights of the embedded one; yields its URL to fill in."""
    folder.mkdir(parents=True)
    port = free_port()
    (folder / "nats.conf").write_text(configuration(port, PASSWORDS))
    command: list[Any] = [Path(sys.executable).parent / "nats-server", "-c", "nats.conf"]
    with _running(command, folder, port):
        yield f"nats://{{user}}:{{password}}@127.0.0.1:{port}"


@contextmanager
def _server(module: str, folder: Path) -> Iterator[str]:
    folder.mkdir(parents=True)
    port = free_port()
    command = [sys.executable, "-m", f"tests.support.{module}", "--port", str(port)]
    with _running([*command, "--path", str(folder)], Path(__file__).parents[2], port):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def _running(command: list[Any], folder: Path, port: int) -> Iterator[None]:
    from socket import create_connection

    process = subprocess.Popen(
        command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + READY_SECONDS_MAX
        while True:
            with suppress(OSError):
                create_connection(("127.0.0.1", port), 1).close()
                break
            assert process.poll() is None, f"{command} ended with {process.returncode}"
            assert time.monotonic() < deadline, f"{command} does not answer"
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(STOP_SECONDS_MAX)
