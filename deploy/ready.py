#!/usr/bin/env python3
"""Exit code 0 if the role in this container says that it is ready: what a container's health check runs.

The image has no curl, and this imports too little to cost anything every few seconds.
"""

import http.client
import os
import sys

TIMEOUT_SECONDS = 3.0
PORTS = {"AIGESTION_OPERATIONS__PORT": "9090", "AIGESTION_HTTP__PORT": "8080"}
"""The API says so at its own door; every other role has one for that alone."""


def main() -> int:
    """1 if nobody answers or the answer is not 200; then the answer, or the fault, is printed."""
    for variable, port in PORTS.items():
        connection = http.client.HTTPConnection(
            "127.0.0.1", int(os.environ.get(variable, port)), timeout=TIMEOUT_SECONDS
        )
        try:
            connection.request("GET", "/health/ready")
            answer = connection.getresponse()
            print(answer.status, answer.read().decode(errors="replace"))
            return 0 if answer.status == http.HTTPStatus.OK else 1
        except (OSError, http.client.HTTPException) as error:
            print(f"port {connection.port}: {error}")
        finally:
            connection.close()
    return 1


if __name__ == "__main__":
    sys.exit(main())
