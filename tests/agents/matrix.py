"""Every agent on every upstream protocol, with everything that goes wrong in long sessions: `python -m tests.agents.matrix [--write]`.

A cell is one task of a real client through a gateway of its own, on a fake model server that speaks one protocol and refuses what the
real provider would refuse. `done`: the file is right and the fake found nothing to refuse. `told`: the client gave up with a clear error,
where neither the gateway nor that client can bring the task through. Everything else is a failure, with its first words.
With `--write` the table goes to docs/clients/matrix.md.
"""

import argparse
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from .lab import CLIENTS, KEY, PROJECT, Fake, Gateway, Run, fake_model, gateway, run_script

PAGE = PROJECT / "docs" / "clients" / "matrix.md"
AT_ONCE = 2


class Client(NamedTuple):
    """An agent: where it is installed, the kit's script, and the name of a model that makes it behave as told in `why`."""

    name: str
    installed: str
    script: str
    slug: str
    why: str
    environ: str = ""


# The kit's script takes the client from this folder of its clients' home.
FOLDER = {"claude_code.sh": "claude", "codex.sh": "codex", "gemini.sh": "gemini"}
CLIENTS_TRIED = (
    Client("Claude Code", "claude_latest", "claude_code.sh", "some-model", "adaptive thinking, system messages between turns, deferred tools"),
    Client("Claude Code, older", "claude", "claude_code.sh", "some-model", "deferred tools only where it is told to", "ENABLE_TOOL_SEARCH=true"),
    Client("Codex CLI, unknown name", "codex", "codex.sh", "some-model", "function tools and a namespace"),
    Client("Codex CLI, gpt-5.5", "codex", "codex.sh", "gpt-5.5", "`apply_patch` as a custom tool with a grammar, tool search"),
    Client("Codex CLI, gpt-5.6", "codex", "codex.sh", "gpt-5.6-sol", "`additional_tools` with a custom `exec`"),
    Client("Gemini CLI", "gemini", "gemini.sh", "gemini-2.5-pro", "a thinking budget"),
)
# Each upstream with the model it is asked for there: one whose rules are strict.
UPSTREAMS = {
    "anthropic": "claude-sonnet-4-5", "chat": "some-model", "responses": "gpt-5.5", "gemini": "gemini-3.1-pro-preview",
    "bedrock": "qwen.qwen3-coder-480b-a35b-v1:0",
}  # fmt: skip
# What the fake is to do, with the fewest calls of the model that show it was done.
OPTIONS = {
    "": 2, "thinking,text,parallel=3,split=awkward,bytesplit=7": 2, "steps=5": 6, "err=429x2": 4, "err=500x1": 3, "mid=error,split=20": 3,
    "mid=cut,split=20": 3, "nosig": 2, "thinking,nosig": 2, "pretool=ToolSearch": 3,
}  # fmt: skip
NO_RECOVERY = {("Gemini CLI", "mid=error,split=20"), ("Gemini CLI", "mid=cut,split=20")}
"""This client takes a broken stream for the end of its task; it has to say so, and to end."""
ONLY_WITH = {"pretool=ToolSearch": "claude_code.sh"}
WHOLE_CALLS = "gemini"
"""This protocol sends calls whole: its stream breaks after the call. A client may use the call, and need not ask again."""
HOPELESS = 12
"""More calls than this for one task is a loop."""


class Cell(NamedTuple):
    """One task."""

    client: Client
    upstream: str
    opts: str


def cells() -> Iterator[Cell]:
    """All of them."""
    for client in CLIENTS_TRIED:
        for upstream in UPSTREAMS:
            for opts in OPTIONS:
                if ONLY_WITH.get(opts, client.script) == client.script:
                    yield Cell(client, upstream, opts)


def settings(urls: dict[str, str]) -> dict[str, Any]:
    """A provider for each upstream, at a fake that speaks its protocol alone; each model under the names the clients ask for."""
    secret = "sk-upstream-0123456789"
    compatible = {"type": "openai_compatible", "api_key": secret}
    providers: dict[str, Any] = {
        "anthropic": {"type": "anthropic", "base_url": urls["anthropic"], "api_key": secret},
        # The fake's rules know no custom tools in Chat, as most servers of it do not.
        "chat": {**compatible, "protocol": "openai_chat", "base_url": urls["chat"] + "/v1", "facts": {"custom_tools": False}},
        "responses": {**compatible, "protocol": "openai_responses", "base_url": urls["responses"] + "/v1"},
        "gemini": {"type": "gemini", "base_url": urls["gemini"], "api_key": secret},
        "bedrock": {"type": "bedrock", "base_url": urls["bedrock"], "api_key": secret, "region": "us-east-1"},
    }
    models = [
        {"name": f"{upstream}/{slug}", "provider": upstream, "model": model}
        for upstream, model in UPSTREAMS.items() for slug in dict.fromkeys(client.slug for client in CLIENTS_TRIED)
    ]
    return {"auth": {"master_api_key": KEY}, "providers": providers, "models": models}


def judged(cell: Cell, run: Run, printed: str) -> str:
    """`done`, `told: ...`, or `FAILED: ...`. `printed` is what the client itself wrote."""
    lint = [finding for asked in run.asked for finding in asked["lint"]]
    code = re.search(r"client rc=(\d+)", run.output)
    if lint:
        return f"FAILED: refused upstream: {lint[0]}"
    if {asked["proto"] for asked in run.asked} != {cell.upstream}:
        return f"FAILED: went to {sorted({asked['proto'] for asked in run.asked})}"
    if re.search(r'internal error|"event": ?"internal', run.log):
        return "FAILED: internal error"
    if code is None or code[1] == "124":
        return "FAILED: hung"
    if len(run.asked) > HOPELESS:
        return f"FAILED: asked {len(run.asked)} times"
    if run.code == 0 and code[1] == "0" and "[API Error" not in printed:
        fewest = OPTIONS[""] if cell.opts.startswith("mid=") and cell.upstream == WHOLE_CALLS else OPTIONS[cell.opts]
        return "done" if len(run.asked) >= fewest else f"FAILED: the option was not played in {len(run.asked)} calls"
    said = re.search(r"\[API Error: ([^\"\\]*)|\"message\": ?\"([^\"]+)", printed)
    words = " ".join(next(filter(None, said.groups()), "").split())[:90] if said else ""
    if (cell.client.name, cell.opts) in NO_RECOVERY and words:
        return f"told: {words}"
    return f"FAILED: {words or ' '.join((run.output + printed).split())[-150:]}"


def run_all(wanted: list[Cell], folder: Path) -> dict[Cell, str]:
    """Each cell's verdict. As many gateways run as cells at once, so that each log belongs to one cell."""
    results: dict[Cell, str] = {}
    for client in {cell.client.installed: cell.client for cell in wanted}.values():
        home = folder / "clients" / client.installed / "npm"
        home.mkdir(parents=True)
        (home / FOLDER[client.script]).symlink_to(CLIENTS / "npm" / client.installed)
    with ExitStack() as stack:
        lanes = []
        for lane in range(AT_ONCE):
            fakes = {
                name: stack.enter_context(fake_model(folder, "--only", name, name=f"{name}{lane}", javascript=True)) for name in UPSTREAMS
            }
            running = stack.enter_context(
                gateway(folder, settings({name: fake.url for name, fake in fakes.items()}), name=f"gateway{lane}")
            )
            lanes.append((running, fakes))

        def one(cell: Cell) -> None:
            running, fakes = lanes.pop()
            try:
                results[cell] = _tried(cell, running, fakes[cell.upstream], folder / "clients")
            finally:
                lanes.append((running, fakes))
            print(f"{cell.client.name:24} {cell.upstream:10} {cell.opts or 'plain':50} {results[cell]}", flush=True)

        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(one, wanted))
    return results


def _tried(cell: Cell, running: Gateway, fake: Fake, homes: Path) -> str:
    """The client is where the kit's script looks for it: in a home of clients made for it."""
    home = homes / cell.client.installed
    model = f"{cell.upstream}/{cell.client.slug}"
    try:
        run = run_script(running, fake, cell.client.script, model, cell.opts, clients=home, EXTRA_ENV=cell.client.environ)
    except subprocess.TimeoutExpired:
        return "FAILED: hung"
    return judged(cell, run, _printed(run.output))


def _printed(output: str) -> str:
    """What the client wrote; the kit's script keeps it beside the folder of the task, which its last line names. Both go away here."""
    place = re.search(r"client rc=\d+\)(?: dir)? (/tmp/cli\.\w+)", output)
    if place is None:
        return ""
    files = [Path(place[1] + end) for end in (".out", ".err")]
    text = "\n".join(file.read_text(encoding="utf-8", errors="replace") for file in files if file.exists())
    for file in files:
        file.unlink(missing_ok=True)
    shutil.rmtree(place[1], ignore_errors=True)
    return text


def versions() -> str:
    """The clients' own versions."""
    found = []
    for client in dict.fromkeys((c.name.partition(",")[0], c.installed, FOLDER[c.script]) for c in CLIENTS_TRIED):
        name, installed, binary = client
        path = CLIENTS / "npm" / installed / "node_modules" / ".bin" / binary
        done = subprocess.run([str(path), "--version"], capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL)
        number = re.search(r"\d+\.\d+\.\d+", done.stdout + done.stderr)
        found.append(f"{name} {number.group() if number else '?'}")
    return ", ".join(found)


def page(results: dict[Cell, str]) -> str:
    """docs/clients/matrix.md."""
    done = sum(result == "done" for result in results.values())
    told = sorted({f"{cell.client.name}, `{cell.opts}`: {result[6:]}" for cell, result in results.items() if result.startswith("told")})
    failed = [(cell, result) for cell, result in results.items() if result.startswith("FAILED")]
    lines = [
        "# What was tried: every agent on every protocol", "",
        f"Made by `python -m tests.agents.matrix --write` on {datetime.now(UTC):%Y-%m-%d} with {versions()}, Python {platform.python_version()}.", "",
        "Each cell is one task of a real client (create files whose content is awkward, checked byte for byte) through a gateway, on a fake",
        "model server that speaks one protocol only and refuses with a 400 what the real provider would refuse. The option in the first",
        "column is what the model server does: thinking and three calls at once in bytes cut at awkward places, five steps, two 429s, a 500,",
        "an error or a cut inside a call's arguments (with Gemini's, which sends calls whole, after the call), thinking without a signature, a",
        "search for a deferred tool first. A cell is `done` only where the log of the model server shows that this was played.", "",
        f"**{done} of {len(results)} cells are done.** `told`: the client has no recovery of its own, and says what happened.", "",
    ]
    for client in CLIENTS_TRIED:
        lines += [f"## {client.name}", "", f"Asked for `{client.slug}`: {client.why}.", ""]
        lines += ["| what the model server does | " + " | ".join(UPSTREAMS) + " |", "|---" * (len(UPSTREAMS) + 1) + "|"]
        for opts in OPTIONS:
            row = [results.get(Cell(client, upstream, opts)) for upstream in UPSTREAMS]
            if any(row):
                lines.append(f"| {f'`{opts}`' if opts else 'plain'} | " + " | ".join((r or "").partition(":")[0] for r in row) + " |")
        lines.append("")
    if told:
        lines += ["## What clients say where they cannot go on", "", *(f"- {line}" for line in told), ""]
    if failed:
        lines += ["## What failed", "", *(f"- {c.client.name} on {c.upstream}, `{c.opts}`: {r[8:]}" for c, r in failed), ""]
    return "\n".join(lines)


def main() -> int:
    """Run the cells asked for; 1 where one failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write docs/clients/matrix.md")
    parser.add_argument("--client", default="", help="only clients whose name holds this")
    parser.add_argument("--upstream", default="", help="only this upstream")
    parser.add_argument("--opts", default=None, help="only this option")
    asked = parser.parse_args()
    wanted = [
        cell for cell in cells()
        if asked.client in cell.client.name and asked.upstream in ("", cell.upstream) and asked.opts in (None, cell.opts)
    ]
    with tempfile.TemporaryDirectory(prefix="matrix-") as folder:
        results = run_all(wanted, Path(folder))
    if asked.write:
        PAGE.write_text(page({cell: results[cell] for cell in wanted}), encoding="utf-8")
    failed = sum(result.startswith("FAILED") for result in results.values())
    print(f"{len(results)} cells, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
