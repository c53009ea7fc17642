"""Whether the broker's stream is a copy of this log, or of another one: a restore, a fail-over."""

from aigestion.eventstore.reader import LogReader
from aigestion.kernel.errors import LogEpochMismatch
from aigestion.messaging.log_order import event_at
from aigestion.messaging.port import Broker


async def last_in_common(broker: Broker, reader: LogReader) -> int | None:
    """The broker's last sequence, once it is known to follow this log; None if there is no stream.

    Raises `LogEpochMismatch` if the broker is ahead of the log, or holds another event at its end:
    events were lost from the log that readers have seen. A person decides what is true.
    """
    # In this order: what the broker holds now, the log must hold by the time it is asked.
    last = await broker.last_sequence()
    if not last:
        return last
    head = await reader.head()
    if last > head:
        raise LogEpochMismatch(
            f"the broker is ahead of the log: its last sequence is {last}, the log ends at {head}",
            broker_last=last,
            head=head,
        )
    published = await broker.event_id_at(last)
    if published is not None:
        recorded = (await event_at(reader, last)).id
        if published != recorded:
            raise LogEpochMismatch(
                f"the broker follows another log: at {last} it has the event {published}, "
                f"the log has {recorded}",
                broker_last=last,
                head=head,
            )
    return last
