"""One recorded event of every type, from the stored samples."""

from pathlib import Path

import msgspec

from aigestion.events.catalog import EVENTS
from tests.support.history import History

SAMPLES = Path(__file__).parents[1] / "samples"


def history_of_everything() -> History:
    """A log in which every type of the catalog happened once."""
    history = History()
    for event in EVENTS:
        path = SAMPLES / f"{event.stored_as}.v{event.version}.json"
        history.happened(msgspec.json.decode(path.read_bytes(), type=event))
    return history
