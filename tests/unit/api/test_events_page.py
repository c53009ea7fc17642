"""The page about events: all of the document is on it, links lead somewhere, and text stays text."""

import json
import re
from copy import deepcopy
from html import unescape
from html.parser import HTMLParser

from aigestion.api.events_page import events_page
from aigestion.events.catalog import EVENTS
from aigestion.messaging.asyncapi import document
from aigestion.messaging.example import example_headers

DOCUMENT = json.loads(json.dumps(document()))
PAGE = events_page(DOCUMENT)
VOID = {"meta", "link", "br"}


class Balance(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_every_type_field_and_example_is_on_the_page() -> None:
    for event in EVENTS:
        section = PAGE.partition(f'<section id="{event.stored_as}">')[2].partition("</section>")[0]
        assert f"events.{{tenant}}.{event.stored_as}" in section
        for name in event.__struct_fields__:
            assert f"<td><code>{name}</code></td>" in section, (event.stored_as, name)
        assert f"ce-id: {example_headers(event)['ce-id']}" in unescape(section)


def test_headers_and_shapes_within_shapes_have_sections_of_their_own() -> None:
    assert '<section id="Envelope">' in PAGE
    assert '<section id="Citation">' in PAGE
    assert 'list of <a href="#Citation">Citation</a>' in PAGE
    assert "sealed in the log with the key of <code>user_id</code>" in PAGE


def test_links_lead_somewhere_and_tags_are_closed() -> None:
    anchors = set(re.findall(r'id="([^"]+)"', PAGE))
    assert set(re.findall(r'href="#([^"]+)"', PAGE)) <= anchors
    assert len(anchors) > len(EVENTS)
    balance = Balance()
    balance.feed(PAGE)
    assert balance.open == []


def test_text_that_looks_like_markup_stays_text() -> None:
    hostile = deepcopy(DOCUMENT)
    bomb = '<script>alert("1")</script>'
    hostile["channels"]["user.chat"]["description"] = bomb
    hostile["components"]["messages"]["user.chat"]["examples"][0]["payload"]["text"] = bomb
    hostile["components"]["schemas"]["UserChat"]["properties"][bomb] = {"type": bomb}

    page = events_page(hostile)

    assert page.count("&lt;script&gt;") == 4
    assert "<script" not in page
