"""What the benchmark runs: the mock upstream, nginx and the gateway, each pinned to its CPU, started and stopped here.

The mock and the load clients come from a folder of tools (`bench.py`, `gen.py`, `post.lua`, `mock.c`, `load.c`). They are linked and
built in a work folder, so that the tools' own folder may be read-only.
"""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from pathlib import Path

from llm_api_converter.access.credentials import digest_of
from llm_api_converter.store.open import open_store
from llm_api_converter.store.records import Budget, KeyRecord

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
MOCK_PORT, NGINX_PORT, NGINX_STREAM_PORT, GATEWAY_PORT, BARE_PORT, TEAM_PORT = 9000, 9100, 9101, 9200, 9201, 9202
GATEWAYS = {
    GATEWAY_PORT: ("gateway", "settings.yaml"), BARE_PORT: ("bare", "settings-bare.yaml"), TEAM_PORT: ("team", "settings-team.yaml"),
}  # fmt: skip
"""By port: its name and its settings."""
KEY = "sk-test-1234567890"
"""What the load tools send."""
MOCK_CPU, GATEWAY_CPU = "1", "0"
START_S = 20
LINKED = ("bench.py", "gen.py", "post.lua")
BUILT = ("mock", "load")


class BenchError(Exception):
    """The benchmark cannot run; the message says what to do."""


def find_tools() -> Path:
    """The folder of tools: `BENCH_TOOLS`, else `shared/perf` beside the project."""
    tools = Path(os.environ.get("BENCH_TOOLS") or ROOT.parent / "shared" / "perf")
    missing = [name for name in (*LINKED, *(f"{name}.c" for name in BUILT)) if not (tools / name).is_file()]
    if missing:
        raise BenchError(f"The tools are not in {tools} (missing: {', '.join(missing)}). Say where they are: BENCH_TOOLS=FOLDER")
    return tools


def check_machine() -> None:
    """Everything that must be installed, named at once."""
    missing = [name for name in ("nginx", "wrk", "gcc", "taskset") if not shutil.which(name)]
    if missing:
        raise BenchError(f"Not on PATH: {', '.join(missing)}. On Debian: apt-get install nginx-light wrk gcc util-linux")
    if len(os.sched_getaffinity(0)) < 2:
        raise BenchError("Two CPUs are needed: one for what is measured, one for the upstream and the load.")
    ports = (MOCK_PORT, NGINX_PORT, NGINX_STREAM_PORT, *GATEWAYS)
    for port in ports:
        if _listens(port):
            raise BenchError(f"Port {port} is taken. These must be free: {', '.join(map(str, ports))}.")


def prepare(work: Path, tools: Path) -> Path:
    """Link, build and generate what the tools need, under `work`. Returns the folder the tools run from."""
    perf = work / "perf"
    perf.mkdir(parents=True, exist_ok=True)
    for name in LINKED:
        link = perf / name
        link.unlink(missing_ok=True)
        link.symlink_to(tools / name)
    for name in BUILT:
        source, program = tools / f"{name}.c", perf / name
        if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
            subprocess.run(["gcc", "-O2", "-w", "-o", str(program), str(source)], check=True)
    subprocess.run([sys.executable, "gen.py"], cwd=perf, check=True, stdout=subprocess.DEVNULL)
    return perf


@contextmanager
def running(work: Path, perf: Path, *, gateways: Collection[int]) -> Iterator[None]:
    """Mock, nginx and the gateways of these ports, until the block ends. Their pids are in `work`, their output in `work/*.log`."""
    with ExitStack() as stack:
        mock = [str(perf / "mock"), "-d", str(perf / "data"), str(MOCK_PORT)]
        stack.enter_context(_server(work, "mock", MOCK_CPU, mock, MOCK_PORT))
        # In the foreground nginx itself is the process whose children are counted.
        nginx = ["nginx", "-p", str(work), "-e", "nginx.err", "-c", str(HERE / "nginx.conf")]
        stack.enter_context(_server(work, "nginx", GATEWAY_CPU, nginx, NGINX_PORT))
        for port in gateways:
            name, settings = GATEWAYS[port]
            if port == TEAM_PORT:
                _make_key(work / "team")
            serve = [sys.executable, "-m", "llm_api_converter", "serve", "--config", str(HERE / settings)]
            stack.enter_context(_server(work, name, GATEWAY_CPU, serve, port))
        yield


def _make_key(folder: Path) -> None:
    """A key of the store that is what the load tools send, with limits and a budget of its own."""
    shutil.rmtree(folder, ignore_errors=True)
    record = KeyRecord(
        id="key_bench", name="bench", digest=digest_of(KEY.encode()), hint=KEY[-4:], created_s=time.time(), team="bench",
        budget=Budget(day=Decimal(1_000_000)),
    )  # fmt: skip

    async def make() -> None:
        store = open_store(f"sqlite:///{folder}/gateway.db")
        await store.open()
        await store.keys.create(record)
        await store.close()

    asyncio.run(make())


@contextmanager
def _server(work: Path, name: str, cpu: str, command: list[str], port: int) -> Iterator[None]:
    # A bare environment: nobody's provider keys or settings decide what is measured.
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "src"), "LANG": "C.UTF-8"}
    with (work / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(["taskset", "-c", cpu, *command], cwd=work, env=environ, stdout=log, stderr=log)
    try:
        _await_port(process, port, name, work / f"{name}.log")
        (work / f"{name}-tree.pid").write_text(str(process.pid))
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await_port(process: subprocess.Popen[bytes], port: int, name: str, log: Path) -> None:
    for _ in range(START_S * 10):
        if process.poll() is not None:
            break
        if _listens(port):
            return
        time.sleep(0.1)
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
    raise BenchError(f"{name} did not start (its output is in {log}):\n{tail}")


def _listens(port: int) -> bool:
    with socket.socket() as s:
        s.settimeout(0.2)
        return s.connect_ex(("127.0.0.1", port)) == 0
