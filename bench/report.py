"""Measurements (one dict a run, as the load tools write them) -> medians, multiples of nginx, verdicts, Markdown."""

from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Any, NamedTuple

Row = Mapping[str, Any]
Key = tuple[str, int, str, str]  # scenario, clients, target, client's API

SCENARIOS = {
    "ns2k": "2 KB request, plain answer",
    "ns100k": "100 KB request, plain answer",
    "st100": "stream of 100 chunks, burst",
    "st100d5": "stream of 100 chunks, 5 ms apart",
}
FRAMES = 103
"""What a stream's CPU is divided by to give it per chunk: 100 chunks of content and the frames around them."""
TARGETS = {
    "nginx": "nginx proxy_pass (no translation)",
    "direct": "no gateway",
    "anthropic-to-chat": "translated: Anthropic client, Chat upstream",
    "chat-to-anthropic": "translated: Chat client, Anthropic upstream",
    "chat-through": "passed through: Chat to Chat",
    "anthropic-through": "passed through: Anthropic to Anthropic",
    "anthropic-to-responses": "translated: Anthropic client, Responses upstream",
    "anthropic-to-gemini": "translated: Anthropic client, Gemini upstream",
    "anthropic-to-converse": "translated: Anthropic client, Converse upstream (signed)",
    "bare": "translated: Anthropic client, Chat upstream, without keys, limits and records",
    "team": "translated: Anthropic client, Chat upstream, with a key, limits, budgets and records",
}
FURTHER = ("anthropic-to-responses", "anthropic-to-gemini", "anthropic-to-converse")
"""Pairs that are measured at one number of clients only, and held against the first translation instead of nginx."""
TEAM_LIMIT = 3.0
"""The most that what a team has may cost a request, as a multiple of nginx."""
FIRST = "anthropic-to-chat"
FURTHER_LIMIT = 2.0
"""The most they may cost, as a multiple of it."""
TRANSLATED = ("anthropic-to-chat", "chat-to-anthropic")
THROUGH = {"anthropic-to-chat": "anthropic-through", "chat-to-anthropic": "chat-through"}
"""Translation -> pass-through of the same client's requests."""
LIMITS = {"ns2k": 20.0, "ns100k": 20.0, "st100": 7.0, "st100d5": 4.5}
"""The most a translated request or chunk may cost, as a multiple of nginx, at 32 clients."""
AT_CLIENTS = 32


class Result(NamedTuple):
    """Medians of the runs of one target in one scenario. CPU in microseconds a request (or stream); None: the load does not measure it."""

    cpu_us: float | None
    rps: float
    p50_ms: float
    p99_ms: float
    memory_mb: float
    runs: int
    errors: int


class Verdict(NamedTuple):
    """One target of the project: what was wanted, what was measured."""

    what: str
    wanted: str
    measured: str
    met: bool


def medians(rows: Iterable[Row]) -> dict[Key, Result]:
    """Median of each number over the runs that completed anything."""
    grouped: dict[Key, list[Row]] = {}
    for row in rows:
        grouped.setdefault((row["scen"], row["conc"], row["target"], row["api"]), []).append(row)
    return {key: _median(group) for key, group in grouped.items() if any(row.get("ok") for row in group)}


def _median(rows: Sequence[Row]) -> Result:
    good = [row for row in rows if row.get("ok")]

    def of(field: str) -> float:
        return float(median(row[field] for row in good if field in row))

    # Run time of the scheduler is exact to the nanosecond; the tick counter behind cpu_us is coarse under a second.
    cpu = [row["sched_us"] if row.get("cpu_s", 0) < 1 else row["cpu_us"] for row in good if row.get("sched_us")]
    errors = sum(row.get("errors", 0) + row.get("non2xx", 0) for row in rows)
    return Result(float(median(cpu)) if cpu else None, of("rps"), of("p50_ms"), of("p99_ms"), of("rss_mb"), len(good), errors)


def multiple(results: Mapping[Key, Result], key: Key) -> float | None:
    """CPU as a multiple of nginx with the same client's requests, in the same run."""
    scenario, clients, _, api = key
    nginx, own = results.get((scenario, clients, "nginx", api)), results[key]
    return own.cpu_us / nginx.cpu_us if nginx and nginx.cpu_us and own.cpu_us else None


def verdicts(results: Mapping[Key, Result]) -> list[Verdict]:
    """The project's targets at 32 clients, as far as they were measured."""
    out = []
    at = {(s, t): key for key in results for s, c, t, _ in [key] if c == AT_CLIENTS}
    for target in TRANSLATED:
        for scenario, limit in LIMITS.items():
            key = at.get((scenario, target))
            times = multiple(results, key) if key else None
            if times is not None:
                what = f"{TARGETS[target]}; {SCENARIOS[scenario]}"
                out.append(Verdict(what, f"at most {limit:g} x nginx", f"{times:.1f} x", times <= limit))
        for scenario in LIMITS:
            keys = at.get((scenario, target)), at.get((scenario, THROUGH[target]))
            if keys[0] and keys[1]:
                own, through = results[keys[0]].cpu_us, results[keys[1]].cpu_us
                if own and through:
                    measured = f"{_number(through)} us, translated {_number(own)} us"
                    what = f"{TARGETS[THROUGH[target]]}; {SCENARIOS[scenario]}"
                    out.append(Verdict(what, "less than translated", measured, through < own))
    out += _further(results, at)
    return out + _team(results)


def _further(results: Mapping[Key, Result], at: Mapping[tuple[str, str], Key]) -> list[Verdict]:
    """No pair may cost much more than the first."""
    out = []
    for target in FURTHER:
        for scenario in LIMITS:
            keys = at.get((scenario, target)), at.get((scenario, FIRST))
            if keys[0] and keys[1]:
                own, first = results[keys[0]].cpu_us, results[keys[1]].cpu_us
                if own and first:
                    what = f"{TARGETS[target]}; {SCENARIOS[scenario]}"
                    times = own / first
                    out.append(Verdict(what, f"at most {FURTHER_LIMIT:g} x {FIRST}", f"{times:.1f} x", times <= FURTHER_LIMIT))
    return out


def _team(results: Mapping[Key, Result]) -> list[Verdict]:
    """What keys, limits and records cost a request."""
    out = []
    for scenario in LIMITS:
        found = [results.get((scenario, AT_CLIENTS, target, "anthropic")) for target in ("bare", "team", "nginx")]
        bare, team, nginx = (None if result is None else result.cpu_us for result in found)
        if bare and team and nginx:
            times = (team - bare) / nginx
            what = f"keys, limits, budgets and records together; {SCENARIOS[scenario]}"
            out.append(Verdict(what, f"at most {TEAM_LIMIT:g} x nginx", f"{times:.1f} x", times <= TEAM_LIMIT))
    return out


def markdown(results: Mapping[Key, Result], facts: Mapping[str, str]) -> str:
    """The whole report."""
    lines = ["# Benchmark", "", *(f"- {name}: {value}" for name, value in facts.items()), ""]
    checked = verdicts(results)
    if checked:
        lines += [f"## Targets, at {AT_CLIENTS} clients", "", "| what | wanted | measured | |", "|---|---|---|---|"]
        lines += [f"| {x.what} | {x.wanted} | {x.measured} | {'met' if x.met else '**missed**'} |" for x in checked]
        lines.append("")
    for scenario, title in SCENARIOS.items():
        rows = _table(results, scenario)
        if rows:
            lines += [f"## {title[0].upper()}{title[1:]}", "", *rows, ""]
    lines += [
        "CPU is user and system time of the gateway's whole process tree, pinned to one CPU; medians of interleaved runs. A chunk's CPU",
        f"is the stream's divided by {FRAMES}. Latency is the client's; in brackets what is added to calling the upstream directly.",
        "",
    ]
    return "\n".join(lines)


def _table(results: Mapping[Key, Result], scenario: str) -> list[str]:
    order = list(TARGETS)
    keys = sorted((key for key in results if key[0] == scenario), key=lambda k: (k[1], order.index(k[2]), k[3]))
    if not keys:
        return []
    stream = scenario.startswith("st")
    unit = ("CPU us a stream | CPU us a chunk" if stream else "CPU us a request") + " | x nginx"
    head = f"| clients | gateway | {unit} | per second | p50 ms | p99 ms | MB | errors |"
    return [head, "|" + "---|" * (head.count("|") - 1), *(_line(results, key, stream) for key in keys)]


def _line(results: Mapping[Key, Result], key: Key, stream: bool) -> str:
    scenario, clients, target, api = key
    own, direct, times = results[key], results.get((scenario, clients, "direct", api)), multiple(results, key)
    name = TARGETS[target] + (f", {'Chat' if api == 'openai' else 'Anthropic'} client" if target in ("nginx", "direct") else "")
    cpu = [_number(own.cpu_us)] + ([_number(own.cpu_us / FRAMES) if own.cpu_us else "-"] if stream else [])
    cells = [str(clients), name, *cpu, f"{times:.1f}" if times else "-", f"{own.rps:.0f}"]
    for field in ("p50_ms", "p99_ms"):
        value = getattr(own, field)
        added = f" (+{max(value - getattr(direct, field), 0):.2f})" if direct and target != "direct" else ""
        cells.append(f"{value:.2f}{added}")
    return "| " + " | ".join([*cells, f"{own.memory_mb:.0f}" if own.memory_mb else "-", str(own.errors)]) + " |"


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
