"""The AsyncAPI document as a page for people: plain HTML, nothing to run and nothing to load."""

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
nav ul { columns: 3 12rem; padding-left: 1rem; }
section { border-top: 1px solid #8886; margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .25rem .75rem .25rem 0; border-bottom: 1px solid #8883; }
code, pre { font: .875em/1.5 ui-monospace, monospace; }
td code, h2 code { overflow-wrap: anywhere; }
pre { overflow-x: auto; padding: .75rem; background: #8882; }
.quiet { opacity: .75; }
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
PAGE_HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; "
    "base-uri 'none'; frame-ancestors 'none'",
}


def events_page(document: Mapping[str, Any]) -> str:
    """The page of one document; every text of it comes out escaped."""
    info, components = document["info"], document["components"]
    schemas, channels = components["schemas"], document["channels"]
    messages = components["messages"]
    payloads = {name: _last(messages[name]["payload"]["$ref"]) for name in channels}
    others = sorted(schemas.keys() - set(payloads.values()))
    links = "".join(f'<li><a href="#{escape(name)}">{escape(name)}</a></li>' for name in channels)
    sections = [
        _channel(name, channel, messages[name], schemas[payloads[name]])
        for name, channel in channels.items()
    ]
    shapes = [_section(name, _fields(schemas[name]), schemas[name]) for name in others]
    title = escape(info["title"])
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f'<h1>{title} <span class="quiet">{escape(info["version"])}</span></h1>\n'
        f'<p>{_prose(info["description"])} For programs: <a href="/asyncapi.json">asyncapi.json</a>.</p>\n'
        f"<nav><ul>{links}</ul></nav>\n{''.join(sections)}{''.join(shapes)}</body>\n</html>\n"
    )


def _channel(
    name: str, channel: Mapping[str, Any], message: Mapping[str, Any], payload: Mapping[str, Any]
) -> str:
    examples = "".join(
        f"<h3>Example</h3><pre>{escape(_lines(one['headers']))}\n\n"
        f"{escape(json.dumps(one['payload'], indent=2, ensure_ascii=False))}</pre>\n"
        for one in message["examples"]
    )
    where = f"<p>On <code>{escape(channel['address'])}</code></p>\n"
    return _section(name, where + _fields(payload) + examples, channel)


def _section(name: str, content: str, about: Mapping[str, Any]) -> str:
    return (
        f'<section id="{escape(name)}">\n<h2><code>{escape(name)}</code></h2>\n'
        f"<p>{_prose(about.get('description', ''))}</p>\n{content}</section>\n"
    )


def _fields(schema: Mapping[str, Any]) -> str:
    required = schema.get("required", ())
    rows = (
        f"<tr><td><code>{escape(name)}</code></td><td>{_kind(field)}</td>"
        f"<td>{'always' if name in required else ''}</td><td>{_said(field)}</td></tr>\n"
        for name, field in schema.get("properties", {}).items()
    )
    head = "<tr><th>Field</th><th>Type</th><th>There</th><th></th></tr>"
    return f"<table>\n{head}\n{''.join(rows)}</table>\n"


def _kind(schema: Mapping[str, Any]) -> str:
    """What a value may be, in words."""
    match schema:
        case {"$ref": reference}:
            name = escape(_last(reference))
            return f'<a href="#{name}">{name}</a>'
        case {"anyOf": choices}:
            return _joined(_kind(one) for one in choices)
        case {"const": value} | {"enum": [value]}:
            return f"<code>{escape(json.dumps(value))}</code>"
        case {"enum": values}:
            return _joined(f"<code>{escape(json.dumps(value))}</code>" for value in values)
        case {"type": "array", "items": items}:
            return f"list of {_kind(items)}"
        case {"type": kind, "format": form}:
            return escape(f"{kind} ({form})")
        case {"type": kind}:
            return escape(str(kind))
        case _:
            return "anything"


def _joined(kinds: Iterable[str]) -> str:
    return " or ".join(kinds)


def _said(field: Mapping[str, Any]) -> str:
    said = _prose(field.get("description", ""))
    if subject := field.get("x-personal"):
        said += f" Personal: sealed in the log with the key of <code>{escape(subject)}</code>."
    return said.strip()


def _prose(text: str) -> str:
    """Text with `code` in it."""
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", escape(text))


def _last(reference: str) -> str:
    return reference.rpartition("/")[2]


def _lines(headers: Mapping[str, str]) -> str:
    return "\n".join(f"{name}: {value}" for name, value in headers.items())
