"""What this process knows of a view in Elasticsearch that it writes to."""

import asyncio
import time

from aigestion.readstores.elasticsearch.writing import Recent


class Known:
    """What was written and is not searchable yet, as far as nobody else was here."""

    def __init__(self) -> None:
        self.writing = asyncio.Lock()
        self.position = 0
        self.recent: Recent | None = None
        """None: something may be unrefreshed, nobody knows what."""
        self.hidden: set[str] | None = None
        """Collections with something unrefreshed; None: any."""
        self.purged_at = time.monotonic()

    def see(self, position: int) -> None:
        """If the checkpoint is not where we left it, somebody else was here."""
        if position != self.position:
            self.position, self.recent, self.hidden = position, None, None

    def hide(self, collection: str) -> None:
        if self.hidden is not None:
            self.hidden.add(collection)
