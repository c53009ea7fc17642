"""The client for Python programs: `AsyncClient`, and `Client` for programs without an event loop.

>>> from aigestion.client import Client
>>> with Client("http://127.0.0.1:8080", "aig_…") as client:
...     print(client.ask("Good morning!").text)
"""

from aigestion.client.answers import Event, Hit
from aigestion.client.asynchronous import AsyncClient
from aigestion.client.blocking import Client
from aigestion.client.dialogue import Reply
from aigestion.client.http import Answered, BrokenOff
from aigestion.client.subscriber import subscribe
from aigestion.messaging.credential import Credential

__all__ = [
    "Answered",
    "AsyncClient",
    "BrokenOff",
    "Client",
    "Credential",
    "Event",
    "Hit",
    "Reply",
    "subscribe",
]
