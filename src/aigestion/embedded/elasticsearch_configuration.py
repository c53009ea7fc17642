"""What an embedded Elasticsearch is told: one node, on the loopback, one user with just its rights."""

import base64
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

from aigestion.embedded.ports import LOOPBACK

USER = "aigestion"
ROUNDS = 10_000
"""Of the hash that the server compares a password with; the password itself is random."""
HEAP_MIB = 512
QUICK_TO_START = "-XX:TieredStopAtLevel=1"
"""Java compiles once and lightly: half the processor's time until the server answers, which is what one waits for
who looks at it here; a server that serves for days is better off without."""

_NOT_OURS = ("--add-modules=jdk.incubator.vector", "-Xlog:", "-XX:HeapDumpPath", "-XX:ErrorFile")
"""Parts of the server's own options for Java: a module that the runtime lacks, files where it cannot write."""
_LOG4J = """\
status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = [%d{ISO8601}{UTC}][%-5p][%c{1.}] %m%n%throwable{short.message}
rootLogger.level = warn
rootLogger.appenderRef.console.ref = console
logger.watched_files.name = org.elasticsearch.entitlement.runtime.policy.PolicyManager.\\
  x-pack-security.org.elasticsearch.security
logger.watched_files.level = error
"""


def configuration(
    home: Path, folder: Path, *, port: int, password: str, heap_mib: int = HEAP_MIB
) -> Mapping[str, str]:
    """The files of its folder `config`, by name. `folder` is where it keeps everything else."""
    return {
        "elasticsearch.yml": _settings(folder, port),
        "jvm.options": _java_options((home / "config/jvm.options").read_text(), folder, heap_mib),
        "log4j2.properties": _LOG4J,
        "users": f"{USER}:{_hashed(password)}\n",
        "users_roles": f"{USER}:{USER}\n",
        "roles.yml": _role(),
        "role_mapping.yml": "",
    }


def _settings(folder: Path, port: int) -> str:
    told = {
        "cluster.name": "aigestion",
        "node.name": "embedded",
        "discovery.type": "single-node",
        "network.host": LOOPBACK,
        "http.port": port,
        "transport.port": 0,
        "path.data": str(folder / "data"),
        "path.logs": str(folder / "logs"),
        "cluster.routing.allocation.disk.threshold_enabled": False,
        "xpack.security.enabled": True,
        "xpack.security.authc.password_hashing.algorithm": "pbkdf2",
    }
    return "".join(f"{name}: {json.dumps(value)}\n" for name, value in told.items())


def _java_options(own: str, folder: Path, heap_mib: int) -> str:
    kept = [line for line in own.splitlines() if line and not line.startswith("#")]
    options = [line for line in kept if not any(part in line for part in _NOT_OURS)]
    options += [QUICK_TO_START, f"-Xms{heap_mib}m", f"-Xmx{heap_mib}m"]
    options += [f"-XX:HeapDumpPath={folder}/logs", f"-XX:ErrorFile={folder}/logs/hs_err_pid%p.log"]
    # It would keep the roles of the stack's other products in an index that this build cannot make.
    options += ["-Des.queryable_built_in_roles_enabled=false"]
    return "\n".join(options) + "\n"


def _role() -> str:
    """All that a read store needs, of a shared cluster too."""
    role = {
        USER: {
            "cluster": ["monitor", "manage_index_templates"],
            "indices": [{"names": ["*"], "privileges": ["all"]}],
        }
    }
    return json.dumps(role) + "\n"


def _hashed(password: str) -> str:
    salt = os.urandom(32)
    found = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, ROUNDS, 32)
    return (
        f"{{PBKDF2}}{ROUNDS}${base64.b64encode(salt).decode()}${base64.b64encode(found).decode()}"
    )
