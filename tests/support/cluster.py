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
from socket import create_connection
from typing import Any, Self
from urllib.error import URLError

from aigestion.embedded.nats_configuration import USERS, configuration
from tests.support.engines import free_port, postgres_server
from tests.support.program import AIGESTION

READY_SECONDS_MAX = 180.0
STOP_SECONDS_MAX = 60.0
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

    def __init__(
        self, folder: Path, environment: Mapping[str, str], engines: "Mapping[str, Engine]"
    ) -> None:
        self.folder = folder
        self.environment = dict(environment)
        self.engines = engines
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

    def cli(self, *arguments: str, timeout: float = 600) -> subprocess.CompletedProcess[str]:
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


class Engine:
    """A server that can be killed and started again on the same port and data."""

    def __init__(self, command: list[Any], folder: Path, port: int) -> None:
        self._command = command
        self._folder = folder
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start and wait until it takes connections."""
        quiet = subprocess.DEVNULL
        self._process = subprocess.Popen(
            self._command, cwd=self._folder, stdout=quiet, stderr=quiet
        )
        deadline = time.monotonic() + READY_SECONDS_MAX
        while True:
            with suppress(OSError):
                create_connection(("127.0.0.1", self._port), 1).close()
                return
            assert self._process.poll() is None, f"{self._command}: {self._process.returncode}"
            assert time.monotonic() < deadline, f"{self._command} does not answer"
            time.sleep(0.05)

    def kill(self) -> None:
        """kill -9, and wait for its end."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextmanager
def cluster(
    folder: Path, *, elasticsearch_url: str | None = None, valkey_url: str | None = None
) -> Iterator[Cluster]:
    """Every engine of a production set, of its own, migrated; nothing is left running."""
    ports = {name: free_port() for name in ("nats", "clickhouse", "qdrant")}
    engines = {
        "nats": _nats(folder / "nats", ports["nats"]),
        "clickhouse": _module("clickhouse_server", folder / "clickhouse", ports["clickhouse"]),
        "qdrant": _module("qdrant_server", folder / "qdrant", ports["qdrant"]),
    }
    with ExitStack() as stack:
        postgres = stack.enter_context(postgres_server())
        for engine in engines.values():
            stack.callback(engine.kill)
            engine.start()
        at = {name: f"127.0.0.1:{port}" for name, port in ports.items()}
        environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("AIGESTION_")},
            "NO_COLOR": "1",
            "AIGESTION_POSTGRES_OWNER_URL": postgres,
            "AIGESTION_POSTGRES_URL": postgres.replace("postgres@", "aigestion:runtime@"),
            "AIGESTION_NATS_URL": f"nats://app:{PASSWORDS['app']}@{at['nats']}",
            "TEST_NATS_RELAY_URL": f"nats://relay:{PASSWORDS['relay']}@{at['nats']}",
            "AIGESTION_CLICKHOUSE_URL": f"http://{at['clickhouse']}",
            "AIGESTION_QDRANT_URL": f"http://{at['qdrant']}",
            "AIGESTION_LOG__MASTER_KEY_FILE": str(folder / "master.key"),
            "AIGESTION_LOG__CHECKPOINT_KEY_FILE": str(folder / "checkpoint.key"),
            "AIGESTION_OPERATOR_KEY": OPERATOR_KEY,
        }
        if elasticsearch_url is not None:
            environment["AIGESTION_ELASTICSEARCH_URL"] = elasticsearch_url
        if valkey_url is not None:
            environment["AIGESTION_VALKEY_URL"] = valkey_url
        made = stack.enter_context(Cluster(folder, environment, engines))
        migrated = made.cli("migrate")
        assert migrated.returncode == 0, migrated.stderr
        yield made


def _nats(folder: Path, port: int) -> Engine:
    """A broker with the accounts and rights of the embedded one."""
    folder.mkdir(parents=True)
    (folder / "nats.conf").write_text(configuration(port, PASSWORDS))
    binary = Path(sys.executable).parent / "nats-server"
    return Engine([binary, "-c", "nats.conf"], folder, port)


def _module(name: str, folder: Path, port: int) -> Engine:
    folder.mkdir(parents=True)
    command = [sys.executable, "-m", f"tests.support.{name}", "--port", str(port)]
    return Engine([*command, "--path", str(folder)], Path(__file__).parents[2], port)
