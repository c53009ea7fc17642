"""The one tree of errors: each has a stable code, a category and a sentence a person can read."""

from enum import StrEnum
from typing import Any, ClassVar


class Category(StrEnum):
    """What kind of trouble it is; `api/errors.py` and `cli` turn it into a status or an exit code."""

    INVALID = "invalid"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not-found"
    CONFLICT = "conflict"
    UNPROCESSABLE = "unprocessable"
    MOVED_ON = "moved-on"
    TOO_LARGE = "too-large"
    TOO_MUCH = "too-much"
    UNAVAILABLE = "unavailable"
    INTERNAL = "internal"


class AIGestionError(Exception):
    """Anything this project raises on purpose. `details` are safe to show to the caller."""

    code: ClassVar[str] = "internal-error"
    category: ClassVar[Category] = Category.INTERNAL

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details = details


class Refused(AIGestionError):
    """A decision against the rules of the domain."""

    code = "refused"
    category = Category.CONFLICT


class SubjectErased(Refused):
    """Nothing of this data subject can be recorded any more: its key was destroyed."""

    code = "subject-erased"


class ConversationIsArchived(Refused):
    """Nothing can be said in an archived conversation; take it out of the archive first."""

    code = "conversation-archived"


class RunHasEnded(Refused):
    """The run has its end already: there is nothing to stop."""

    code = "run-ended"


class NotFound(AIGestionError):
    """The thing does not exist, or belongs to another tenant: the answer is the same."""

    code = "not-found"
    category = Category.NOT_FOUND


class InvalidInput(AIGestionError):
    """The input breaks its schema; `details["errors"]` names every bad field."""

    code = "invalid-input"
    category = Category.INVALID


class TooComplex(InvalidInput):
    """A GraphQL document goes over a limit: `details` name the `measure`, its `limit` and what it `came_to`."""

    code = "query-too-complex"


class TooLarge(AIGestionError):
    """The input is larger than its named limit."""

    code = "too-large"
    category = Category.TOO_LARGE


class Unauthenticated(AIGestionError):
    """No key, a malformed key, or a key nobody issued."""

    code = "unauthenticated"
    category = Category.UNAUTHENTICATED


class KeyExpired(Unauthenticated):
    """The key was good until its end came."""

    code = "key-expired"


class KeyRevoked(Unauthenticated):
    """The key was good until it was revoked."""

    code = "key-revoked"


class Forbidden(AIGestionError):
    """A known caller asks for what its key may not do."""

    code = "forbidden"
    category = Category.FORBIDDEN


class ScopeMissing(Forbidden):
    """The key is good, but not for this; `details["scope"]` names the scope that it lacks."""

    code = "scope-missing"


class RateLimited(AIGestionError):
    """As much was asked for as may be in a while; `details` say by whom and when there is room again."""

    code = "rate-limited"
    category = Category.TOO_MUCH


class Unusable(AIGestionError):
    """Well-formed, but it names what there is not; `details["errors"]` names every fault."""

    code = "unusable"
    category = Category.UNPROCESSABLE


class VersionMoved(AIGestionError):
    """It is not at the version that the caller has seen; `details["version"]` is the present one."""

    code = "version-moved"
    category = Category.MOVED_ON


class IdempotencyKeyReused(AIGestionError):
    """The same `Idempotency-Key` came with another request."""

    code = "idempotency-key-reused"
    category = Category.UNPROCESSABLE


class UnknownName(AIGestionError):
    """A report has no such column, filter or time zone; `details["errors"]` says what there is."""

    code = "unknown-name"
    category = Category.UNPROCESSABLE


class AppendConditionFailed(AIGestionError):
    """An event that the append condition forbids is already in the log. Retried by the dispatcher."""

    code = "append-condition-failed"
    category = Category.CONFLICT


class TooMuchContention(AIGestionError):
    """The dispatcher decided again and again, and somebody else was always faster."""

    code = "too-much-contention"
    category = Category.UNAVAILABLE


class Overloaded(AIGestionError):
    """As much is going on as may be; `details` name the limit. Worth trying again."""

    code = "overloaded"
    category = Category.UNAVAILABLE


class Unavailable(AIGestionError):
    """An engine does not answer; `details["engine"]` names it. Worth trying again."""

    code = "engine-unavailable"
    category = Category.UNAVAILABLE


class ViewBehind(AIGestionError):
    """A read model has not reached `min_position` in the time a query may wait."""

    code = "view-behind"
    category = Category.UNAVAILABLE


class ChangeRejected(AIGestionError):
    """A read store will never take a change: it is too large, or not of its field's type."""

    code = "change-rejected"


class CheckpointMoved(AIGestionError):
    """A view is not where its writer left it; read its checkpoint again (law 4)."""

    code = "checkpoint-moved"


class UnknownEvent(AIGestionError):
    """The log holds an event type or schema version this program does not know: the line stops."""

    code = "unknown-event"


class Corrupt(AIGestionError):
    """Stored bytes are not what they must be (tag mismatch, hash mismatch, a hole in the log)."""

    code = "corrupt"


class Misconfigured(AIGestionError):
    """The program cannot start like this; the message says what to do."""

    code = "misconfigured"
    category = Category.INVALID


class SequenceMismatch(AIGestionError):
    """The broker's stream does not end where the relay thought; ask it again (law 3)."""

    code = "sequence-mismatch"


class LogEpochMismatch(AIGestionError):
    """The broker is ahead of the log: a restore or a fail-over. Nothing is published until a person decides."""

    code = "log-epoch-mismatch"


class ProjectionFailed(AIGestionError):
    """A projection raised on an event that may not be parked: a fault of the program; the line does not move."""

    code = "projection-failed"


class QuarantineFull(AIGestionError):
    """Events of too many keys cannot be applied: the fault is everywhere, so the line stops."""

    code = "quarantine-full"
