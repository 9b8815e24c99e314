"""Running the gateway: keys on disk, logs, the banner, uvicorn with one worker or several."""

import gc
import json
import os
import socket
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import uvicorn
from uvicorn.supervisors import Multiprocess

from ..config import Config, ConfigError
from ..limits.base import Decision, Log
from ..observe import slots
from ..observe.logs import AccessLog, LineWriter, configure
from ..observe.metrics import Metrics
from ..observe.traces import TracingUnavailable, check_tracing, open_tracing
from ..secrets_on_disk import ensure_admin_key, ensure_master_key, ensure_seal_keys
from ..store.base import StoreError
from ..store.open import open_store
from .app import Gateway, build
from .cork import CorkedProtocol
from .services import Services

# How a worker process of several finds its settings: the file, the flags and the folder of the metrics, made by the parent.
_CONFIG_FILE = "LLM_API_CONVERTER_CONFIG"
_FLAGS = "LLM_API_CONVERTER_FLAGS"
_METRICS_DIR = "LLM_API_CONVERTER_METRICS_DIR"
_DECISIONS = "LLM_API_CONVERTER_DECISIONS"
GRACE_S = 20
BACKLOG = 2048
ACCEPTS_A_TURN = 16
GC_THRESHOLD = 20_000


def serve(config: Config, config_path: Path | None = None) -> None:
    """Serve until stopped. `config_path` is the file the settings came from, for worker processes. Raises ConfigError."""
    _, key_file = ensure_master_key(config)
    ensure_seal_keys(config)
    try:
        open_store(config.store_url, config.store.tables)
    except StoreError as error:
        raise ConfigError((str(error),)) from error
    if config.tracing.enabled:
        try:
            check_tracing()
        except TracingUnavailable as error:
            raise ConfigError((str(error),)) from error
    sockets = _listen(config.server.host, config.server.port)
    _banner(config, key_file)
    if config.server.workers == 1:
        gateway, writer = _gateway(config, Metrics())
        with suppress(KeyboardInterrupt):  # the way a server is stopped by hand
            uvicorn.Server(_uvicorn(gateway, config.server.max_body_bytes)).run(sockets)
        writer.flush()
        return
    if config_path is not None:
        os.environ[_CONFIG_FILE] = str(config_path)
    os.environ[_FLAGS] = json.dumps({"server.host": config.server.host, "server.port": config.server.port})
    with tempfile.TemporaryDirectory(prefix="gateway-metrics-") as folder:
        os.environ[_METRICS_DIR] = folder
        several = _uvicorn(
            "llm_api_converter.server.serve:worker", config.server.max_body_bytes, factory=True, workers=config.server.workers
        )
        Multiprocess(several, sockets=sockets).run()


def _uvicorn(app: Any, max_body_bytes: int, **more: Any) -> uvicorn.Config:
    return uvicorn.Config(
        app, loop="uvloop", http=CorkedProtocol, ws="websockets-sansio", ws_max_size=max_body_bytes, lifespan="on", access_log=False,
        log_level="warning", server_header=False, timeout_keep_alive=75, timeout_graceful_shutdown=GRACE_S, proxy_headers=False, **more,
    )


def _listen(host: str, port: int) -> list[socket.socket]:
    """The listening socket, several times: uvloop accepts one connection a socket in each turn of its loop, and under load, when turns
    take long, a crowd of new clients would otherwise wait for seconds.
    """
    try:
        family, kind, proto, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listener = socket.socket(family, kind, proto)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        why = f"server.port: cannot listen on {host}:{port} ({error.strerror}); choose another with --port or PORT"
        raise ConfigError((why,)) from error
    listener.setblocking(False)
    listener.set_inheritable(True)
    return [listener, *(listener.dup() for _ in range(ACCEPTS_A_TURN - 1))]


def worker() -> Gateway:
    """The application of one of several worker processes."""
    path = os.environ.get(_CONFIG_FILE)
    config = Config.load(Path(path) if path else None, os.environ, Path.cwd(), json.loads(os.environ[_FLAGS]))
    folder = os.environ[_METRICS_DIR]
    gateway, _ = _gateway(config, Metrics(folder, slots.claim(Path(folder))))
    return gateway


def _gateway(config: Config, metrics: Metrics) -> tuple[Gateway, LineWriter]:
    key, _ = ensure_master_key(config)
    admin_key = ensure_admin_key(config)[0] if config.admin.enabled else ""
    services = Services(config, open_store(config.store_url, config.store.tables), metrics, _decisions())
    gateway = build(
        config, master_key=key, seal_keys=ensure_seal_keys(config), metrics=metrics, services=services, admin_key=admin_key
    )
    writer = configure(
        config.logging.level, development=not config.json_logs, redactor=gateway.runtime.redactor, on_drop=metrics.log_dropped
    )
    gateway.runtime.access_log = AccessLog(writer, level=config.logging.level, json=config.json_logs)
    if config.tracing.enabled:
        gateway.runtime.tracing = open_tracing(propagate=config.tracing.propagate)
    _settle_heap()
    return gateway, writer


def _decisions() -> Log | None:
    """Where every decision of the limits is written, for a proof that they are right: a file named by a variable, else nowhere."""
    path = os.environ.get(_DECISIONS)
    if not path:
        return None
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write(decision: Decision) -> None:
        os.write(file, msgspec.json.encode(decision) + b"\n")

    return write


def _settle_heap() -> None:
    """What is loaded by now lives as long as the process: the collector need not look at it again. A request makes a few hundred
    containers, nearly all freed by their count; looking for cycles every 700 of them would be most of the collector's work in vain.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD, 20, 50)


def _banner(config: Config, key_file: Path | None) -> None:
    host = config.server.host if config.server.host not in ("0.0.0.0", "::") else "127.0.0.1"
    base = f"http://{host}:{config.server.port}"
    if key_file is not None:
        said, key = f"in {key_file}", f"$(cat {key_file})"
    elif config.auth.require_api_key:
        said, key = "the master key of the settings", "..."
    else:
        said, key = "none needed (auth.require_api_key is off)", "any"
    lines = [
        f"LLM API Converter listens on {base}",
        f"  providers   {', '.join(config.providers)}",
        f"  API key     {said}",
        *_admin_lines(config, base),
        f"  Claude Code ANTHROPIC_BASE_URL={base} ANTHROPIC_API_KEY={key} claude",
        f"  OpenAI SDK  OPENAI_BASE_URL={base}/v1 OPENAI_API_KEY={key}",
        *(f"  note        {note}" for note in config.notes),
    ]
    print("\n".join(lines), file=sys.stderr, flush=True)


def _admin_lines(config: Config, base: str) -> list[str]:
    if not config.admin.enabled:
        return []
    file = ensure_admin_key(config)[1]
    return [f"  admin API   {base}/admin/api/openapi.json, key " + (f"in {file}" if file is not None else "of the settings")]
