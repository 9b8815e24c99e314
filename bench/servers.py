"""What the benchmark runs: the mock upstream, nginx and the gateway, each pinned to its CPU, started and stopped here.

The mock and the load clients come from a folder of tools (`bench.py`, `gen.py`, `post.lua`, `mock.c`, `load.c`). They are linked and
built in a work folder, so that the tools' own folder may be read-only.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
MOCK_PORT, NGINX_PORT, NGINX_STREAM_PORT, GATEWAY_PORT = 9000, 9100, 9101, 9200
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
    for port in (MOCK_PORT, NGINX_PORT, NGINX_STREAM_PORT, GATEWAY_PORT):
        if _listens(port):
            raise BenchError(f"Port {port} is taken. Ports {MOCK_PORT}, {NGINX_PORT}, {NGINX_STREAM_PORT} and {GATEWAY_PORT} must be free.")


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
def running(work: Path, perf: Path, *, gateway: bool) -> Iterator[None]:
    """Mock, nginx and (if wanted) the gateway, until the block ends. Their pids are in `work`, their output in `work/*.log`."""
    with ExitStack() as stack:
        mock = [str(perf / "mock"), "-d", str(perf / "data"), str(MOCK_PORT)]
        stack.enter_context(_server(work, "mock", MOCK_CPU, mock, MOCK_PORT))
        # In the foreground nginx itself is the process whose children are counted.
        nginx = ["nginx", "-p", str(work), "-e", "nginx.err", "-c", str(HERE / "nginx.conf")]
        stack.enter_context(_server(work, "nginx", GATEWAY_CPU, nginx, NGINX_PORT))
        if gateway:
            serve = [sys.executable, "-m", "llm_api_converter", "serve", "--config", str(HERE / "settings.yaml")]
            stack.enter_context(_server(work, "gateway", GATEWAY_CPU, serve, GATEWAY_PORT))
        yield


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
