"""Conversations folded from events, in the checker's own few lines: no code of the read models is in them."""

from typing import Any

from aigestion.prove.evidence import Opened


def folded_conversations(events: list[Opened]) -> dict[str, dict[str, Any]]:
    """Title and messages of each conversation: the events, and nothing else, read in order."""
    found: dict[str, dict[str, Any]] = {}
    for event in events:
        conversation = found.get(event.data.get("conversation_id") or "")
        if event.type == "conversation.started":
            found[event.data["conversation_id"]] = {"title": event.data["title"], "messages": []}
        elif conversation is None:
            continue
        elif event.type == "user.chat":
            conversation["messages"].append([event.position, event.id, "user", event.data["text"]])
        elif event.type == "user.action":
            conversation["messages"].append([event.position, event.id, "user", ""])
        elif event.type == "agent.replied":
            run = event.data["run_id"]
            conversation["messages"].append([event.position, run, "final", event.data["text"]])
        elif event.type == "run.failed":
            run = event.data["run_id"]
            conversation["messages"].append([event.position, run, "failed", None])
    return found


def shown_conversation(answer: dict[str, Any]) -> dict[str, Any] | None:
    """The same of what the API answered; None if it knows no such conversation."""
    if "title" not in answer:
        return None
    messages = [
        [
            one["position"],
            one["id"],
            "user" if one["role"] == "user" else one["state"],
            # What had come before a run failed is in an event that is not folded here.
            None if one["state"] == "failed" else one["text"],
        ]
        for one in answer["messages"]
    ]
    return {"title": answer["title"], "messages": messages}


def first_difference(expected: dict[str, Any] | None, shown: dict[str, Any] | None) -> str:
    """Where they part, in words; they do."""
    if expected is None or shown is None:
        return f"the log has {'one' if expected else 'none'}, the API {'one' if shown else 'none'}"
    if expected["title"] != shown["title"]:
        return f"titled {shown['title']!r} and not {expected['title']!r}"
    wanted, given = expected["messages"], shown["messages"]
    different = (pair for pair in zip(wanted, given, strict=False) if pair[0] != pair[1])
    pair = next(different, None)
    if pair is not None:
        return f"shows {pair[1]} and not {pair[0]}"
    return f"shows {len(given)} messages and not {len(wanted)}"
