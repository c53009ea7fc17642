"""The schema: which route answers which field. What a field takes and gives is the route's."""

from functools import cache
from typing import Any

import strawberry

from aigestion.api.graphql.fields import field_of, subscription_of
from aigestion.api.graphql.live import Live, live
from aigestion.api.graphql.shapes import CONFIG, Shapes
from aigestion.api.v1.agents import list_agents, list_versions, read_agent
from aigestion.api.v1.analytics import ask_report, list_reports
from aigestion.api.v1.conversations import list_conversations, read_conversation
from aigestion.api.v1.documents import list_documents, read_document
from aigestion.api.v1.runs import list_runs, read_run
from aigestion.api.v1.search import search
from aigestion.api.v1.stream import stream
from aigestion.queries.conversations import ConversationSummary, Transcript
from aigestion.queries.runs import RunSummary

ROUTES = {
    "conversations": list_conversations,
    "conversation": read_conversation,
    "runs": list_runs,
    "run": read_run,
    "search": search,
    "reports": list_reports,
    "report": ask_report,
    "documents": list_documents,
    "document": read_document,
    "agents": list_agents,
    "agent": read_agent,
    "agent_versions": list_versions,
}
"""By the field's name. Commands are not here: they stay with the other routes (ADR 24)."""


@cache
def schema() -> strawberry.Schema:
    """The schema, made once."""
    shapes = Shapes()
    shapes.links[RunSummary] = {"steps": field_of(shapes, read_run, given={"run_id": "run_id"})}
    for around in (ConversationSummary, Transcript):
        runs = field_of(shapes, list_runs, given={"conversation_id": "conversation_id"})
        shapes.links[around] = {"runs": runs}
    fields = {name: field_of(shapes, route) for name, route in ROUTES.items()}
    followed = {"live": subscription_of(shapes, stream, Live, live)}
    return strawberry.Schema(
        query=_root("Query", "What can be asked, by the tenant of the key that asks.", fields),
        subscription=_root("Subscription", "What can be followed.", followed),
        config=CONFIG,
    )


def sdl() -> str:
    """The schema as text."""
    return schema().as_str() + "\n"


def _root(name: str, description: str, fields: dict[str, Any]) -> Any:
    return strawberry.type(
        type(name, (), {**fields, "__annotations__": {}}), description=description
    )
