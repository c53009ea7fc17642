"""Every report there is. Routes, their documents and the Grafana dashboards are made from it."""

from aigestion.queries.report import Dimension, Measure, Report

_AGENT = Dimension("agent", "The agent.")
_TYPE = Dimension("type", "The type of event.")
_REASON = Dimension("reason", "Why it failed.")
_PROVIDER = Dimension("provider", "Who runs the model.")
_MODEL = Dimension("model", "The model that was asked for.", "requested_model")
_RETURNED = Dimension("returned_model", "The model that says it answered.")


def _percentiles(name: str, value: str, only: str, meaning: str) -> tuple[Measure, ...]:
    return tuple(
        Measure(
            f"{name}_p{percent}_seconds",
            f"quantileExactIf(0.{percent})({value}, {only})",
            f"{meaning}; {percent} % are faster.",
            "seconds",
        )
        for percent in (50, 95, 99)
    )


REPORTS: tuple[Report, ...] = (
    Report(
        name="usage",
        meaning="How much of everything happened.",
        rows="usage",
        views=("events", "model_calls"),
        dimensions=(_AGENT,),
        measures=(
            Measure("events", "countIf(fact.type != 'tokens')", "All events, of any type."),
            Measure(
                "messages",
                "countIf(fact.type IN ('user.chat', 'user.voice'))",
                "What users wrote or said.",
            ),
            Measure("actions", "countIf(fact.type = 'user.action')", "What users did."),
            Measure("replies", "countIf(fact.type = 'agent.replied')", "What agents answered."),
            Measure(
                "failures", "countIf(fact.type = 'run.failed')", "Runs that ended without a reply."
            ),
            Measure(
                "model_calls",
                "countIf(fact.type IN ('model.completed', 'model.failed'))",
                "Calls that ended, with an answer or without.",
            ),
            Measure(
                "model_failures", "countIf(fact.type = 'model.failed')", "Those without an answer."
            ),
            Measure(
                "input_tokens", "sum(fact.input_tokens)", "As far as providers name them.", "tokens"
            ),
            Measure(
                "output_tokens",
                "sum(fact.output_tokens)",
                "As far as providers name them.",
                "tokens",
            ),
        ),
        by=("day",),
    ),
    Report(
        name="active_users",
        meaning="How many users did something.",
        rows="interactions",
        views=("interactions",),
        dimensions=(_AGENT, _TYPE),
        measures=(
            Measure("users", "uniqExact(fact.user_id)", "Each once, however much they did."),
            Measure("conversations", "uniqExact(fact.conversation_id)", "In how many of them."),
            Measure("interactions", "count()", "What they wrote, said and did."),
        ),
        by=("day",),
    ),
    Report(
        name="latency",
        meaning="How long models take to answer.",
        rows="model_calls",
        views=("model_calls",),
        dimensions=(_AGENT, _PROVIDER, _MODEL, _RETURNED),
        measures=(
            Measure("calls", "countIf(fact.outcome = 'completed')", "Calls with an answer."),
            *_percentiles(
                "call",
                "fact.duration_seconds",
                "fact.outcome = 'completed'",
                "From the question to the whole answer",
            ),
            *_percentiles(
                "first_token",
                "fact.first_token_seconds",
                "fact.outcome = 'completed'",
                "From the question to the first token",
            ),
        ),
        by=("day",),
    ),
    Report(
        name="tokens",
        meaning="What model calls used.",
        rows="model_calls",
        views=("model_calls",),
        dimensions=(_AGENT, _PROVIDER, _MODEL, _RETURNED),
        measures=(
            Measure("calls", "count()", "Calls that ended, with an answer or without."),
            Measure(
                "uncounted_calls",
                "countIf(isNull(fact.input_tokens) AND isNull(fact.output_tokens))",
                "Calls of which the provider named no tokens.",
            ),
            Measure(
                "input_tokens",
                "sum(ifNull(fact.input_tokens, 0))",
                "What the models read.",
                "tokens",
            ),
            Measure(
                "output_tokens",
                "sum(ifNull(fact.output_tokens, 0))",
                "What the models wrote.",
                "tokens",
            ),
        ),
        by=("day",),
    ),
    Report(
        name="errors",
        meaning="Model calls and runs that failed, and why.",
        rows="errors",
        views=("errors",),
        dimensions=(_AGENT, _TYPE, _REASON),
        measures=(
            Measure("errors", "count()", "How many."),
            Measure("runs", "uniqExact(fact.run_id)", "In how many runs."),
            Measure("users", "uniqExact(fact.user_id)", "How many users met one."),
        ),
        by=("type", "reason"),
    ),
    Report(
        name="retrieval",
        meaning="What agents found in the documents, and whether they used it.",
        rows="retrievals",
        views=("retrievals",),
        dimensions=(_AGENT,),
        measures=(
            Measure("retrievals", "count()", "Runs that looked for passages."),
            Measure("hits", "countIf(fact.passages > 0)", "Those that found some."),
            Measure("empty", "countIf(fact.passages = 0)", "Those that found none."),
            Measure("passages", "sum(fact.passages)", "All that were found."),
            Measure(
                "replies", "countIf(isNotNull(fact.citations))", "Those that ended in a reply."
            ),
            Measure(
                "uncited_replies", "countIf(fact.citations = 0)", "Replies that cite no passage."
            ),
            Measure(
                "best_score_p50",
                "quantileExact(0.50)(fact.best_score)",
                "The best passage's score; half of them are lower.",
                "score",
            ),
        ),
        by=("day",),
    ),
    Report(
        name="agents",
        meaning="How runs of agents end, and how long users wait for it.",
        rows="runs",
        views=("runs",),
        moment="started_at",
        dimensions=(_AGENT, Dimension("outcome", "How the run ended."), _REASON),
        measures=(
            Measure("runs", "count()", "Runs that began."),
            Measure("replied", "countIf(fact.outcome = 'replied')", "Those with a reply."),
            Measure("failed", "countIf(fact.outcome = 'failed')", "Those without."),
            Measure("cancelled", "countIf(fact.outcome = 'cancelled')", "Those that were stopped."),
            Measure("running", "countIf(fact.outcome = 'running')", "Those without an end yet."),
            Measure("users", "uniqExact(fact.user_id)", "How many users they were for."),
            *_percentiles(
                "reply",
                "fact.duration_seconds",
                "fact.outcome = 'replied'",
                "From the user's message to the reply",
            ),
        ),
        by=("agent",),
    ),
    Report(
        name="actions",
        meaning="What users did in applications.",
        rows="actions",
        views=("actions",),
        dimensions=(Dimension("action", "The action's name."), _AGENT),
        measures=(
            Measure("actions", "count()", "How often."),
            Measure("users", "uniqExact(fact.user_id)", "How many users did it."),
        ),
        by=("action",),
    ),
    Report(
        name="funnel",
        meaning="How many users did one action after another, and where they stopped.",
        rows="funnel",
        views=("actions",),
        moment="",
        dimensions=(
            Dimension("step", "The step's number, from 1."),
            Dimension("action", "The action's name."),
        ),
        measures=(
            Measure("users", "uniqExact(fact.user_id)", "Who did this step and all before it."),
        ),
        by=("step", "action"),
        takes_steps=True,
    ),
    Report(
        name="retention",
        meaning="Of the users who came first in a week, how many were there in the weeks after.",
        rows="retention",
        views=("interactions",),
        moment="first_at",
        dimensions=(Dimension("weeks_later", "0 is the week they came first."),),
        measures=(Measure("users", "uniqExact(fact.user_id)", "Who did something in that week."),),
        by=("week", "weeks_later"),
    ),
)
