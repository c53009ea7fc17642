"""On whose behalf something is done: tenant and actor never come from a body (law 9)."""

import hashlib
from uuid import UUID, uuid5

import msgspec

from aigestion.kernel.ids import new_id

_REQUESTS = UUID("0b8f6a4e-3f0e-5f0c-8d55-7c1b1f1f9a42")


class Request(msgspec.Struct, frozen=True):
    """A caller's promise that this request, if it comes again, is the same one."""

    key: str
    """The caller's `Idempotency-Key`, as it came."""
    fingerprint: bytes
    """SHA-256 of route and body: what makes two requests the same."""

    @property
    def tag(self) -> str:
        """The tag every event of this request carries; the key itself stays out of the log."""
        return f"request:{hashlib.sha256(self.key.encode()).hexdigest()[:32]}"


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """Who acts, for whom, and why."""

    tenant: str
    actor: str
    """`user:<id>`, `agent:<name>`, `key:<id>` or `system`."""
    correlation_id: UUID = msgspec.field(default_factory=new_id)
    causation_id: UUID | None = None
    request: Request | None = None


def requested(tenant: str, actor: str, request: Request) -> Context:
    """A context whose correlation id is derived from the request, so a retry of it is recognised."""
    seed = f"{tenant}/{request.key}/{request.fingerprint.hex()}"
    return Context(
        tenant=tenant, actor=actor, correlation_id=uuid5(_REQUESTS, seed), request=request
    )
