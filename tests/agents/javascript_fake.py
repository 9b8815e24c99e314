"""The kit's fake model server, knowing more of custom tools and of summaries: `python -m tests.agents.javascript_fake PATH_OF_FAKE [its arguments]`.

Codex CLI gives its newest models a custom tool `exec` that takes JavaScript. The kit's fake plays it where a protocol has custom tools.
Where it has none, a gateway declares a function with the one argument `input`; what is in it is the same program. And a stream that is to break in the middle breaks inside
the input of a custom tool too, not only inside a function's arguments. Asked to sum up a long conversation, it writes SUMMARY; told that
summary, it says the task is done.
"""

import argparse
import importlib.util
import json
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

SUMMARY = "SUMMARY: the first file was written, ☃ nothing is left to do."
ASKS = ("Write that summary now", "CONTEXT CHECKPOINT COMPACTION")
"""How a summary is asked for: by the gateway, by Codex CLI itself."""


def load(path: str) -> ModuleType:
    """The kit's module, with `make_call`, `plan_for` and `gen_responses` extended."""
    spec = importlib.util.spec_from_file_location("fake_model", path)
    assert spec is not None
    assert spec.loader is not None
    fake = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fake)
    known = fake.make_call

    def make_call(tools: list[dict[str, Any]], path: str, content: str, opts: dict[str, Any]) -> Any:
        found = next((t for t in tools if t["kind"] == "function" and is_program(t)), None)
        if found is None or opts.get("tool"):
            return known(tools, path, content, opts)
        program = f"const r = await tools.exec_command({{cmd: {json.dumps(fake.sh_command(path, content))}}});\ntext(r.output);\n"
        arguments = {"input": program}
        return {"name": found["name"], "kind": "function", "args": arguments, "raw": fake.mixed_json(arguments), "ns": found.get("ns")}

    planned = fake.plan_for

    def plan_for(proto: str, body: dict[str, Any], raw: str) -> Any:
        view, opts, plan = planned(proto, body, raw)
        said = SUMMARY if any(words in raw for words in ASKS) else "done" if "SUMMARY: the first" in raw else ""
        return view, opts, {**plan, "parts": [("text", said)], "stop": "end"} if said else plan

    written = fake.gen_responses

    def gen_responses(*arguments: Any) -> Iterator[tuple[str, Any]]:
        pieces = 0
        for name, event in written(*arguments):
            yield name, event
            pieces += name == "response.custom_tool_call_input.delta"
            if name == "response.custom_tool_call_input.delta" and pieces == 2:
                yield "BREAK", None

    fake.make_call = make_call  # type: ignore[attr-defined]
    fake.plan_for = plan_for  # type: ignore[attr-defined]
    fake.gen_responses = gen_responses  # type: ignore[attr-defined]
    return fake


def is_program(tool: dict[str, Any]) -> bool:
    """A function `exec`, of whatever namespace, that takes text."""
    name, schema = tool["name"] or "", tool["schema"] or {}
    return name.rpartition("__")[2] == "exec" and list(schema.get("properties") or {}) == ["input"]


def main() -> None:
    """Serve."""
    fake = load(sys.argv.pop(1))
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--log")
    parser.add_argument("--opts", default="")
    parser.add_argument("--only", default="")
    parser.add_argument("--models", default="fake-model")
    parser.add_argument("--verbose", action="store_true")
    fake.ARGS = parser.parse_args()  # type: ignore[attr-defined]
    fake.S(("127.0.0.1", fake.ARGS.port), fake.H).serve_forever()


if __name__ == "__main__":
    main()
