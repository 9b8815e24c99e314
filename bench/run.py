#!/usr/bin/env python3
"""The benchmark, in one command: `python bench/run.py` measures the gateway beside nginx and writes `bench/RESULTS.md`.

`--quick` is for development: one short run at 32 clients, shown and kept in the work folder only. Needs nginx, wrk, gcc and two CPUs,
installs nothing. The load tools are found in `shared/perf` beside the project, or where `BENCH_TOOLS` says.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import sysconfig
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import report
from servers import (
    BARE_PORT,
    GATEWAY_PORT,
    GATEWAYS,
    MOCK_PORT,
    NGINX_PORT,
    NGINX_STREAM_PORT,
    ROOT,
    TEAM_PORT,
    BenchError,
    check_machine,
    find_tools,
    prepare,
    running,
)

WORK = ROOT / "build" / "bench"
RESULTS = ROOT / "bench" / "RESULTS.md"
CHAT, MESSAGES = "/v1/chat/completions", "/v1/messages"
IDLE_LOAD = 0.5
PACKAGES = ("llm-api-converter", "uvicorn", "uvloop", "httptools", "msgspec")


def _both(port: int, **more: Any) -> dict[str, Any]:
    return {"port": port, "apis": {"openai": {"path": CHAT, **more}, "anthropic": {"path": MESSAGES, **more}}}


def _ours(api: str, provider: str, port: int = GATEWAY_PORT) -> dict[str, Any]:
    path = CHAT if api == "openai" else MESSAGES
    return {"port": port, "pidfile": f"{GATEWAYS[port][0]}-tree.pid", "apis": {api: {"path": path, "model": f"{provider}/"}}}


TARGETS: dict[str, dict[str, Any]] = {
    "nginx": {"pidfile": "nginx-tree.pid", **_both(NGINX_PORT, port_stream=NGINX_STREAM_PORT)},
    "direct": _both(MOCK_PORT),
    "anthropic-to-chat": _ours("anthropic", "chat"),
    "chat-to-anthropic": _ours("openai", "claude"),
    "chat-through": _ours("openai", "chat"),
    "anthropic-through": _ours("anthropic", "claude"),
    "anthropic-to-responses": _ours("anthropic", "responses"),
    "anthropic-to-gemini": _ours("anthropic", "gemini"),
    "anthropic-to-converse": _ours("anthropic", "converse"),
    "bare": _ours("anthropic", "chat", BARE_PORT),
    "team": _ours("anthropic", "chat", TEAM_PORT),
}


def main() -> int:
    """Run it; 1 when it cannot run or a target is missed."""
    options = _options()
    names = options.only.split(",") if options.only else list(TARGETS)
    try:
        if unknown := [x for x in names if x not in TARGETS]:
            raise BenchError(f"No such target: {', '.join(unknown)}. Known: {', '.join(TARGETS)}")
        tools = find_tools()
        check_machine()
        load = _load()
        perf = prepare(WORK, tools)
        rows = _measure(perf, names, options)
    except BenchError as error:
        print(error, file=sys.stderr)
        return 1
    results = report.medians(rows)
    text = report.markdown(results, _facts(options, load))
    print(text)
    out = WORK / "RESULTS.md" if options.quick or options.only else RESULTS
    out.write_text(text)
    print(f"Written to {out.relative_to(ROOT)}", file=sys.stderr)
    failed = sorted({key[2] for key, result in results.items() if result.errors} | {x for x in names if all(x != k[2] for k in results)})
    if failed:
        print(f"Errors, or nothing measured, with: {', '.join(failed)}", file=sys.stderr)
    return int(bool(failed) or not all(x.met for x in report.verdicts(results)))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one run of a second, 32 clients")
    parser.add_argument("--only", help=f"some of: {', '.join(TARGETS)}")
    parser.add_argument("--scenarios", default=",".join(report.SCENARIOS), help="default: %(default)s")
    parser.add_argument("--clients", help="default: 1,32,256")
    parser.add_argument("--repeats", type=int, help="default: 3")
    parser.add_argument("--seconds", type=float, help="of each run, default: 3")
    options = parser.parse_args()
    options.clients = options.clients or ("32" if options.quick else "1,32,256")
    options.repeats = options.repeats or (1 if options.quick else 3)
    options.seconds = options.seconds or (1 if options.quick else 3)
    return options


def _measure(perf: Path, names: list[str], options: argparse.Namespace) -> list[dict[str, Any]]:
    """Every target in every scenario, interleaved. The rows of all runs."""
    targets, rows = WORK / "targets.json", WORK / "runs.jsonl"
    targets.write_text(json.dumps({name: TARGETS[name] for name in names}))
    rows.unlink(missing_ok=True)
    # The further pairs are compared with the first one, at one number of clients.
    few = [name for name in names if name not in report.FURTHER]
    with running(WORK, perf, gateways=sorted({port for name in names if (port := TARGETS[name]["port"]) in GATEWAYS})):
        for group, clients in ((few, options.clients), (names if few != names else [], str(report.AT_CLIENTS))):
            if not group:
                continue
            command = [
                sys.executable, "bench.py", str(rows), str(targets), "-s", options.scenarios, "-c", clients, "-r", str(options.repeats),
                "-d", f"{options.seconds:g}", "-t", ",".join(group),
            ]  # fmt: skip
            done = subprocess.run(command, cwd=perf, env={**os.environ, "LOADCPU": "1"}, stdout=sys.stderr)
            if done.returncode:
                raise BenchError(f"bench.py ended with status {done.returncode}")
    return [json.loads(line) for line in rows.read_text().splitlines()]


def _load() -> float:
    """The machine's load before the measurement. Work of others spoils it: paced chunks above all, which then come in bursts."""
    load = os.getloadavg()[0]
    if load > IDLE_LOAD:
        print(f"The machine is not idle (load {load:.1f}): the numbers will not be good.", file=sys.stderr)
    return load


def _facts(options: argparse.Namespace, load: float) -> dict[str, str]:
    """What a reader must know to judge or repeat the numbers."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": f"{_cpu()}, {os.cpu_count()} CPUs, {platform.system()} {platform.release()}",
        "load before": f"{load:.2f}" + (" (not idle: repeat these numbers before quoting them)" if load > IDLE_LOAD else ""),
        "versions": ", ".join([_python(), *_versions(), _first_line(["nginx", "-v"])]),
        "commit": _first_line(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]),
        "command": " ".join(["python", "bench/run.py", *sys.argv[1:]]),
        "runs": f"{options.repeats} of {options.seconds:g} s each, interleaved; gateway and nginx on CPU 0, upstream and load on CPU 1",
        "gateway": "one process, API key checked, metrics, a usage record and one log line a request",
    }


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _python() -> str:
    """How it was built is a tenth of every number here, or more."""
    how = "--enable-optimizations" if "--enable-optimizations" in (sysconfig.get_config_var("CONFIG_ARGS") or "") else "as its maker has it"
    return f"Python {platform.python_version()} (built by {platform.python_compiler()}, {how})"


def _versions() -> list[str]:
    found = []
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"{name} from source")
    return found


def _first_line(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return (done.stdout or done.stderr).strip().splitlines()[0]


if __name__ == "__main__":
    sys.exit(main())
