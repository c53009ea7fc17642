"""The HTTP door of a running system, as commands use it."""

from aigestion.client.http import Api
from aigestion.embedded.connect_file import Doors


def api(doors: Doors) -> Api:
    """The API as the demo's user."""
    return Api(doors.http_url, doors.api_key)


def operator_api(doors: Doors) -> Api:
    """The API as who runs this installation."""
    return Api(doors.http_url, doors.operator_key)
