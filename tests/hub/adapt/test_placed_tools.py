"""Tools that are declared in the middle of the conversation."""

import pytest

from llm_api_converter.hub.adapt import adapt
from llm_api_converter.hub.facts import Facts
from llm_api_converter.hub.ledger import Ledger, compact
from llm_api_converter.hub.messages import Message, Text
from llm_api_converter.hub.request import Request, Tool

TOOLS = (Tool("first", at="tools[0]"), Tool("later", at="input[2].tools[0]"), Tool("too", at="input[2].tools[1]"))
REPORT = [{"path": "input[2]", "feature": "tools_in_conversation", "action": "emulated", "class": "tools"}]


@pytest.mark.parametrize(("taken", "report"), [(False, REPORT), (True, [])])
def test_they_are_declared_with_the_others_and_reported_once_an_item(taken: bool, report: list[dict[str, str]]) -> None:
    ledger = Ledger()
    request = Request("m", (Message("user", (Text("hi"),)),), TOOLS)
    assert adapt(request, Facts(tools_in_conversation=taken), ledger).request.tools == TOOLS
    assert compact(ledger.losses) == report
