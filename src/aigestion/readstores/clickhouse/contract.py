"""The analytics schema: views whose names and columns are a contract, whatever generation serves."""

from functools import cache
from pathlib import Path
from typing import Literal

import msgspec

DATABASE = "analytics"
"""What the views' database is called, after the log's name."""

_SCRIPTS = Path(__file__).parent / "sql" / "contract"


class AnalyticsColumn(msgspec.Struct, frozen=True):
    """A column of the contract."""

    name: str
    type: str
    """As ClickHouse calls it."""
    meaning: str


class AnalyticsView(msgspec.Struct, frozen=True, kw_only=True):
    """A view of the contract. It shows one read model, so both are switched in one step."""

    name: str
    projection: str
    meaning: str
    columns: tuple[AnalyticsColumn, ...]
    script: str
    """The file that selects its rows."""
    moment: str = "occurred_at"
    """The column that says when a row's fact happened."""
    bucket: Literal["Hour", "Day"] | None = None
    """Of a roll-up."""

    @property
    def select(self) -> str:
        """Its rows; `{<projection>}` stands for the database of the view that serves."""
        return _script(self.script).replace("{start_of_bucket}", f"toStartOf{self.bucket}")


@cache
def _script(name: str) -> str:
    """Without its comment: it becomes a part of other statements."""
    _comment, _, select = (_SCRIPTS / f"{name}.sql").read_text().partition("\n")
    return select.rstrip()


_Column = AnalyticsColumn

_TENANT = _Column("tenant", "LowCardinality(String)", "Whose it is. Name one in every question.")
_POSITION = _Column("position", "UInt64", "The event's position in the log; no two rows share it.")
_EVENT = _Column("event_id", "String", "The event's id.")
_CONVERSATION = _Column("conversation_id", "String", "The conversation it belongs to.")
_USER = _Column("user_id", "String", "The user, as the caller names them.")
_AGENT = _Column("agent", "LowCardinality(String)", "The agent.")
_RUN = _Column("run_id", "String", "The run it belongs to.")
_CHARACTERS = _Column("text_chars", "UInt32", "Length of what was said; 0 once it is erased.")
_OCCURRED = _Column("occurred_at", "DateTime64(6, 'UTC')", "When it happened.")
_RECORDED = _Column("recorded_at", "DateTime64(6, 'UTC')", "When the log had it.")
_ENVELOPE = (_TENANT, _POSITION, _EVENT)
_MOMENTS = (_OCCURRED, _RECORDED)
_PROVIDER = _Column("provider", "LowCardinality(String)", "Who runs the model.")
_REQUESTED = _Column("requested_model", "LowCardinality(String)", "The model that was asked for.")


def _rolled_up(bucket: Literal["Hour", "Day"]) -> tuple[AnalyticsView, ...]:
    start = _Column("start", "DateTime('UTC')", f"The {bucket.lower()}'s first moment, in UTC.")
    return (
        AnalyticsView(
            name=f"events_by_{bucket.lower()}",
            projection="activity",
            script="events_rolled_up",
            moment="start",
            bucket=bucket,
            meaning=f"One row {_AN[bucket]}, type and agent: how many events.",
            columns=(
                _TENANT,
                start,
                _Column("type", "LowCardinality(String)", "The type of event."),
                _Column("agent", "LowCardinality(Nullable(String))", "The agent, if it has one."),
                _Column("events", "UInt64", "How many."),
                _Column("users", "UInt64", "Of how many users. Not to be added up."),
                _Column("text_chars", "UInt64", "Length of all that was said."),
            ),
        ),
        AnalyticsView(
            name=f"model_calls_by_{bucket.lower()}",
            projection="model_calls",
            script="model_calls_rolled_up",
            moment="start",
            bucket=bucket,
            meaning=f"One row {_AN[bucket]}, agent, provider and model: calls and tokens.",
            columns=(
                _TENANT,
                start,
                _AGENT,
                _PROVIDER,
                _REQUESTED,
                _Column("calls", "UInt64", "Calls that ended, with an answer or without."),
                _Column("failures", "UInt64", "Those without."),
                _Column("input_tokens", "Int64", "As far as the provider names them."),
                _Column("output_tokens", "Int64", "As far as the provider names them."),
            ),
        ),
    )


_AN = {"Hour": "an hour", "Day": "a day"}

VIEWS: tuple[AnalyticsView, ...] = (
    AnalyticsView(
        name="events",
        projection="activity",
        script="events",
        meaning="One row an event, of every type.",
        columns=(
            *_ENVELOPE,
            _Column("type", "LowCardinality(String)", "The type of event."),
            _Column("actor", "String", "Who caused it."),
            _Column("conversation_id", "Nullable(String)", "The conversation, if it has one."),
            _Column("user_id", "Nullable(String)", "The user, if it has one."),
            _Column("agent", "LowCardinality(Nullable(String))", "The agent, if it has one."),
            _Column("run_id", "Nullable(String)", "The run, if it has one."),
            *_MOMENTS,
        ),
    ),
    AnalyticsView(
        name="interactions",
        projection="activity",
        script="interactions",
        meaning="One row a thing a user did: wrote, said, or did in an application.",
        columns=(
            *_ENVELOPE,
            _Column(
                "type", "LowCardinality(String)", "`user.chat`, `user.voice` or `user.action`."
            ),
            _CONVERSATION,
            _USER,
            _AGENT,
            _Column("run_id", "Nullable(String)", "The run that answers it; null for an action."),
            _CHARACTERS,
            *_MOMENTS,
        ),
    ),
    AnalyticsView(
        name="replies",
        projection="activity",
        script="replies",
        meaning="One row a reply of an agent.",
        columns=(
            *_ENVELOPE,
            _CONVERSATION,
            _USER,
            _AGENT,
            _RUN,
            _Column("in_reply_to", "String", "`event_id` of the interaction it answers."),
            _CHARACTERS,
            _Column("citations", "UInt32", "How many passages it leans on."),
            *_MOMENTS,
        ),
    ),
    AnalyticsView(
        name="model_calls",
        projection="model_calls",
        script="model_calls",
        meaning="One row a model call that ended, with an answer or without.",
        columns=(
            *_ENVELOPE,
            _Column("call_id", "String", "The call's id."),
            _RUN,
            _CONVERSATION,
            _AGENT,
            _Column("outcome", "LowCardinality(String)", "`completed` or `failed`."),
            _Column("reason", "LowCardinality(String)", "Why it ended."),
            _PROVIDER,
            _REQUESTED,
            _Column(
                "returned_model",
                "LowCardinality(Nullable(String))",
                "The model that says it answered.",
            ),
            _Column("input_tokens", "Nullable(Int64)", "Null where the provider names none."),
            _Column("output_tokens", "Nullable(Int64)", "Null where the provider names none."),
            _Column("usage", "String", "The provider's own usage object, as JSON."),
            _Column("requested_at", "DateTime64(6, 'UTC')", "When the model was asked."),
            _Column("first_token_seconds", "Nullable(Float64)", "Until the first token came."),
            _Column("duration_seconds", "Nullable(Float64)", "Until the call ended."),
            *_MOMENTS,
        ),
    ),
    AnalyticsView(
        name="retrievals",
        projection="activity",
        script="retrievals",
        meaning="One row a run that looked for passages before it asked a model.",
        columns=(
            _TENANT,
            _POSITION,
            _RUN,
            _CONVERSATION,
            _Column("agent", "String", "The agent."),
            _Column("passages", "UInt32", "How many it found."),
            _Column("best_score", "Nullable(Float64)", "The highest score among them."),
            _Column(
                "citations",
                "Nullable(UInt32)",
                "How many the reply leans on; null while there is no reply.",
            ),
            _OCCURRED,
        ),
    ),
    AnalyticsView(
        name="runs",
        projection="activity",
        script="runs",
        moment="started_at",
        meaning="One row a run that began: an agent's reaction to one event.",
        columns=(
            _TENANT,
            _Column("position", "UInt64", "Of the event that began it."),
            _Column("run_id", "String", "The run's id."),
            _Column("in_reply_to", "String", "`event_id` of the interaction it reacts to."),
            _CONVERSATION,
            _Column("agent", "String", "The agent."),
            _Column("user_id", "Nullable(String)", "The user; null while nothing names them."),
            _Column(
                "outcome",
                "String",
                "`replied`, `failed`, `cancelled`, or `running` while it has no end.",
            ),
            _Column("reason", "Nullable(String)", "Why it failed."),
            _Column("model_calls", "UInt64", "How often a model was asked."),
            _Column("model_failures", "UInt64", "How often that failed."),
            _Column(
                "heard_at",
                "Nullable(DateTime64(6, 'UTC'))",
                "When the user had spoken, or asked again.",
            ),
            _Column("started_at", "DateTime64(6, 'UTC')", "When the agent took it up."),
            _Column("ended_at", "Nullable(DateTime64(6, 'UTC'))", "When it had its end."),
            _Column("wait_seconds", "Nullable(Float64)", "From `heard_at` to `started_at`."),
            _Column(
                "duration_seconds",
                "Nullable(Float64)",
                "From `heard_at`, or `started_at` without it, to `ended_at`: what the user waits.",
            ),
        ),
    ),
    AnalyticsView(
        name="errors",
        projection="activity",
        script="errors",
        meaning="One row a model call or a run that failed.",
        columns=(
            *_ENVELOPE,
            _Column("type", "LowCardinality(String)", "`model.failed` or `run.failed`."),
            _Column("reason", "LowCardinality(String)", "Why."),
            _CONVERSATION,
            _USER,
            _AGENT,
            _RUN,
            *_MOMENTS,
        ),
    ),
    AnalyticsView(
        name="actions",
        projection="activity",
        script="actions",
        meaning="One row an action of a user in an application.",
        columns=(
            *_ENVELOPE,
            _Column("action", "String", "The action's name."),
            _CONVERSATION,
            _USER,
            _AGENT,
            *_MOMENTS,
        ),
    ),
    AnalyticsView(
        name="events_by_type",
        projection="activity",
        script="events_by_type",
        moment="last_at",
        meaning="One row a type of event that there is.",
        columns=(
            _TENANT,
            _Column("type", "LowCardinality(String)", "The type of event."),
            _Column("events", "UInt64", "How many."),
            _Column("first_at", "DateTime64(6, 'UTC')", "When the first one happened."),
            _Column("last_at", "DateTime64(6, 'UTC')", "When the last one did."),
            _Column("last_position", "UInt64", "The highest position."),
        ),
    ),
    *_rolled_up("Hour"),
    *_rolled_up("Day"),
)
