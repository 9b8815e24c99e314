"""The pages of the protocols and of `convert` say what the code does, and their examples run."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from llm_api_converter import PROTOCOLS, convert_request, convert_response

from .pages import BLOCK, MAKERS, PAGES, renewed

FENCE = re.compile(r"```json\n(.*?)\n```", re.DOTALL)
ids = [page.stem for page in PAGES]


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_the_made_parts_are_new(page: Path) -> None:
    assert page.read_text() == renewed(page.read_text()), f"{page.name} is old: make docs"


def blocks(what: str) -> list[Any]:
    """(page, arguments, JSON blocks, text) of every made part of a kind."""
    found = []
    for page in PAGES:
        for block in BLOCK.finditer(page.read_text()):
            kind, *arguments = block[1].split()
            if kind == what:
                found.append(pytest.param(arguments, [json.loads(x) for x in FENCE.findall(block[2])], block[2], id=f"{page.stem} {block[1]}"))
    return found


@pytest.mark.parametrize(("arguments", "bodies", "text"), blocks("request"))
def test_a_request_in_a_page_runs(arguments: list[str], bodies: list[Any], text: str) -> None:
    client, upstream, _, model = arguments
    given, sent, *reports = bodies
    wire, report = convert_request(given, client=client, upstream=upstream, model=model)
    assert wire.body == sent
    assert f"`POST {wire.path}`" in text
    assert report == (reports[0] if reports else [])


@pytest.mark.parametrize(("arguments", "bodies", "text"), blocks("answer"))
def test_an_answer_in_a_page_runs(arguments: list[str], bodies: list[Any], text: str) -> None:
    upstream, client, _ = arguments
    given, shown, *reports = bodies
    answer, report = convert_response(given, upstream=upstream, client=client)
    assert answer == shown
    assert report == (reports[0] if reports else [])
    assert bool(reports) is not ("The report is empty." in text)


def test_convert_shows_every_direction() -> None:
    ((arguments, bodies, text),) = [x.values for x in blocks("directions")]
    assert isinstance(text, str)
    assert text.count("`POST ") == len(PROTOCOLS) * (len(PROTOCOLS) - 1)
    assert isinstance(bodies, list)
    assert len(bodies) >= len(PROTOCOLS) ** 2
    assert len(arguments) == 2


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_protocol_has_all_its_tables(protocol: str) -> None:
    (page,) = (x for x in PAGES if x.stem == protocol)
    made = [block[1].split()[0] for block in BLOCK.finditer(page.read_text())]
    assert made[:6] == ["fields", "parts", "finish", "usage", "errors", "stream"]
    assert "request" in made[6:]
    assert set(made) <= set(MAKERS)


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            assert target.startswith("https://") or (page.parent / target).exists(), (page.name, target)


def test_an_old_page_is_noticed() -> None:
    text = PAGES[1].read_text()
    assert renewed(text.replace("sampling.top_k = 5", "sampling.top_k = 6")) == text
