"""`launch`: run a coding agent through the gateway, starting one where none runs.

Only the environment and the arguments of the client are set: nothing of the user's is written or changed. What a client needs is a row of
`CLIENTS`. A gateway that was started for a client stops with it; its log is `launch.log` in the data folder.
"""

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import zip_longest
from pathlib import Path
from types import FrameType
from typing import NamedTuple

from ..config import Config
from ..secrets_on_disk import ensure_master_key

START_S = 30.0
STOP_S = 10.0
ASK_S = 5.0
NOT_FOUND, NOT_STARTED = 127, 1
DEMO = "demo"
"""What a gateway lists that has no provider."""
SHOWN = 12
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""The gateway is near: a proxy that the environment names is for the world outside."""


class Call(NamedTuple):
    """How a client is started: variables to set (None: to take away) and arguments to put in front of the user's."""

    variables: Mapping[str, str | None]
    arguments: Sequence[str]


class Place(NamedTuple):
    """What a client is to use: the gateway's address and key, a model (None: the client's own choice) with its context window in tokens
    where that is known, and a folder for files."""

    base: str
    key: str
    model: str | None
    window: int | None
    folder: Path


class Client(NamedTuple):
    """A coding agent: its command, how it is installed, the model it asks for on its own, the variable that says another, and what makes
    it use the gateway."""

    command: str
    install: str
    own_model: str
    variable: str
    call: Callable[[Place], Call]


class LaunchError(Exception):
    """Why the client was not started. `code` is the exit code."""

    def __init__(self, message: str, code: int = NOT_STARTED) -> None:
        super().__init__(message)
        self.code = code


def _claude(place: Place) -> Call:
    # A token rather than a key: of a key Claude Code asks whether it may be used. Its tool search it turns off for unknown hosts.
    variables: dict[str, str | None] = {
        "ANTHROPIC_BASE_URL": place.base, "ANTHROPIC_AUTH_TOKEN": place.key, "ANTHROPIC_API_KEY": None, "ENABLE_TOOL_SEARCH": "true",
    }
    if place.model is not None:  # for what it does on the side it asks for models by family
        families = ("OPUS", "SONNET", "HAIKU")
        variables |= {"ANTHROPIC_MODEL": place.model, **{f"ANTHROPIC_DEFAULT_{family}_MODEL": place.model for family in families}}
    return Call(variables, ())


def _codex(place: Place) -> Call:
    provider = {"name": "gateway", "base_url": f"{place.base}/v1", "env_key": "GATEWAY_API_KEY", "wire_api": "responses"}
    settings: dict[str, object] = {f"model_providers.gateway.{name}": value for name, value in provider.items()}
    settings["model_provider"] = "gateway"
    if place.window is not None:  # of a name it does not know it assumes one, and compacts by it
        settings["model_context_window"] = place.window
    arguments = [text for name, value in settings.items() for text in ("-c", f"{name}={json.dumps(value)}")]
    return Call({"GATEWAY_API_KEY": place.key}, [*arguments, *(("-m", place.model) if place.model is not None else ())])


def _gemini(place: Place) -> Call:
    """Gemini CLI takes the way of logging in from settings, those of the system first; it reads the latter only where no folder above is
    writable by others. Where it reads none, it goes by the variables, and with another base URL only those of Vertex work for it.
    """
    settings = place.folder / "launch-gemini.json"
    settings.write_text(json.dumps({"security": {"auth": {"selectedType": "gemini-api-key"}}}), encoding="utf-8")
    variables = {
        "GEMINI_API_KEY": place.key, "GOOGLE_GEMINI_BASE_URL": place.base, "GEMINI_CLI_SYSTEM_SETTINGS_PATH": str(settings.resolve()),
        "GOOGLE_GENAI_USE_VERTEXAI": "true", "GOOGLE_API_KEY": place.key, "GOOGLE_VERTEX_BASE_URL": place.base,
    }
    return Call(variables, ("-m", place.model) if place.model is not None else ())


CLIENTS = {
    "claude": Client("claude", "npm install -g @anthropic-ai/claude-code", "claude-sonnet-4-5", "ANTHROPIC_MODEL", _claude),
    "codex": Client("codex", "npm install -g @openai/codex", "gpt-5.5", "", _codex),
    "gemini": Client("gemini", "npm install -g @google/gemini-cli", "gemini-2.5-pro", "GEMINI_MODEL", _gemini),
}


def launch(name: str, config: Config, config_path: Path | None, model: str | None, arguments: Sequence[str]) -> int:
    """Run the client; its exit code. Raises LaunchError with what to do."""
    client = CLIENTS[name]
    program = shutil.which(client.command)
    if program is None:
        raise LaunchError(f"{client.command} is not installed: {client.install}", NOT_FOUND)
    key = ensure_master_key(config)[0] if config.auth.require_api_key else "any"
    host = config.server.host if config.server.host not in ("0.0.0.0", "::") else "127.0.0.1"
    base = f"http://{f'[{host}]' if ':' in host else host}:{config.server.port}"
    folder = Path(config.data_dir)
    folder.mkdir(parents=True, exist_ok=True)
    asked = model or _named(arguments) or os.environ.get(client.variable)
    with _ended_in_order(), _gateway(base, key, config, config_path, folder):
        if asked is None and _listed(base, key) == [DEMO]:
            asked = model = DEMO
            print("No provider is configured: the client talks to the built-in demo model. Set OPENAI_API_KEY or such.", file=sys.stderr)
        window = _window(base, key, asked or client.own_model, asked is not None)
        call = client.call(Place(base, key, model, window, folder))
        return _run([program, *call.arguments, *arguments], _environment(os.environ, call.variables, host))


def _named(arguments: Sequence[str]) -> str | None:
    """The model that the client's own arguments ask for."""
    for argument, value in zip_longest(arguments, arguments[1:]):
        if argument in ("-m", "--model"):
            return value
        if argument.startswith("--model="):
            return argument.removeprefix("--model=")
    return None


@contextmanager
def _ended_in_order() -> Iterator[None]:
    """Being told to end becomes an exit, on which what was started is ended."""

    def leave(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, leave) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _gateway(base: str, key: str, config: Config, config_path: Path | None, folder: Path) -> Iterator[None]:
    """A gateway at `base` for the time of the block: the one that runs there, else one of our own."""
    if _answers(base, key):
        yield
        return
    command = [sys.executable, "-m", "llm_api_converter", "serve", "--host", config.server.host, "--port", str(config.server.port)]
    if config_path is not None:
        command += ["--config", str(config_path)]
    log = folder / "launch.log"
    with log.open("ab") as out:
        # A session of its own: Ctrl-C is for the client.
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        end_s = time.monotonic() + START_S
        while not _answers(base, key):
            if child.poll() is not None or time.monotonic() > end_s:
                last = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-5:]
                raise LaunchError("\n".join((f"the gateway did not start (see {log}):", *last)))
            time.sleep(0.05)
        yield
    finally:
        _stop(child)


def _answers(base: str, key: str) -> bool:
    """Whether a gateway that takes this key runs there. Raises LaunchError where something else does."""
    try:
        status, body = _ask(f"{base}/v1/models", key)
    except ConnectionRefusedError:
        return False
    except (OSError, http.client.HTTPException) as error:
        raise LaunchError(f"something else listens at {base} ({type(error).__name__}): choose another port with PORT") from error
    if status == 401:
        raise LaunchError(f"a gateway runs at {base}, but takes another key: start it from this folder, or set MASTER_API_KEY to its key")
    if status != 200 or not isinstance(body, dict) or "data" not in body:
        raise LaunchError(f"something else listens at {base}: choose another port with PORT")
    return True


def _window(base: str, key: str, model: str, chosen: bool) -> int | None:
    """The model's context window in tokens, where it is known. Raises LaunchError for a model nobody serves: the client would ask for it
    again and again.
    """
    status, body = _ask(f"{base}/v1/capabilities?{urllib.parse.urlencode({'model': model})}", key)
    if status == 200 and isinstance(body, dict):
        window: int | None = body["targets"][0]["facts"]["context_window"]["value"]
        return window
    said = body.get("error", {}).get("message", "") if isinstance(body, dict) else ""
    if chosen:
        raise LaunchError(said or f"the model {model} is not served")
    names = ", ".join(_listed(base, key)[:SHOWN])
    raise LaunchError(f"this client asks for {model}, which the gateway does not serve. Choose with --model, such as {names}")


def _listed(base: str, key: str) -> list[str]:
    """The names of models the gateway lists."""
    _, body = _ask(f"{base}/v1/models", key)
    return [entry["id"] for entry in body["data"]] if isinstance(body, dict) else []


def _ask(url: str, key: str) -> tuple[int, object]:
    """(status, JSON body). Raises OSError, ConnectionRefusedError where nobody listens, or HTTPException."""
    request = urllib.request.Request(url, headers={"authorization": f"Bearer {key}"})
    try:
        with _direct.open(request, timeout=ASK_S) as answer:
            status, raw = answer.status, answer.read()
    except urllib.error.HTTPError as error:
        status, raw = error.code, error.read()
    except urllib.error.URLError as error:
        raise error.reason if isinstance(error.reason, OSError) else error from error
    try:
        return status, json.loads(raw)
    except ValueError:
        return status, None


def _environment(own: Mapping[str, str], variables: Mapping[str, str | None], host: str) -> dict[str, str]:
    """The user's own with the client's variables; the gateway is not asked through the user's proxy."""
    made = {name: value for name, value in {**own, **variables}.items() if value is not None}
    if any(name.lower() in ("http_proxy", "all_proxy") for name in made):
        near = ",".join(filter(None, (made.get("NO_PROXY") or made.get("no_proxy"), host)))
        made |= {"NO_PROXY": near, "no_proxy": near}
    return made


def _run(command: list[str], environment: Mapping[str, str]) -> int:
    """The client in the foreground; its exit code as a shell says it. Ctrl-C is its own affair."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    client = subprocess.Popen(command, env=environment, preexec_fn=_default_interrupt)
    try:
        code = client.wait()
        return code if code >= 0 else 128 - code
    finally:
        _stop(client)
        signal.signal(signal.SIGINT, before)


def _stop(child: subprocess.Popen[bytes]) -> None:
    """Ended, at the latest after STOP_S seconds."""
    child.terminate()
    try:
        child.wait(STOP_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _default_interrupt() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
