"""A bare Debian in a folder, and commands in it as a container runs them: a root of their own, no rights, a user of their own.

Docker's image of Python is a Debian of the same release with Python beside it; this one has Debian's own, which is older (3.11).
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.agents.lab import CLIENTS
from tests.deploy.dockerfile import Stage, context

BASE = CLIENTS / "debian-bookworm"
"""Where `scripts/install-engines.sh` puts it."""
PROJECT = Path(__file__).resolve().parents[2]
_MEMORY = Path("/dev/shm")
_ROOM_BYTES = 4 << 30

_ENTER = """
set -e
root="$1"; writable="$2"; shift 2
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
while [ "$1" != -- ]; do
    if [ -f "${2%:ro}" ] && [ ! -e "$root/$1" ]; then : > "$root/$1"; fi
    case "$2" in
        tmpfs) mount -t tmpfs -o mode=1777 tmpfs "$root/$1" ;;
        *:ro) mount --bind "${2%:ro}" "$root/$1"; mount -o remount,bind,ro "$root/$1" ;;
        *) mount --bind "$2" "$root/$1" ;;
    esac
    shift 2
done
shift
[ "$writable" = yes ] || mount -o remount,bind,ro "$root"
exec chroot "$root" "$@"
"""


def base() -> Path:
    """The Debian all roots begin as; skips the test where it cannot be had."""
    if os.getuid() != 0:
        pytest.skip("a root of its own needs root")
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode:
        pytest.skip("this system lets nobody mount")
    if not (BASE / "usr/bin/python3").exists():
        pytest.skip(f"debootstrap's Debian is not in {BASE}")
    return BASE


@dataclass
class Root:
    """A file system, and the state a Dockerfile's steps leave beside it."""

    path: Path
    environment: dict[str, str] = field(default_factory=lambda: {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"})
    folder: str = "/"
    user: str = "0:0"

    def command(self, words: Sequence[str], environment: Mapping[str, str], mounts: Mapping[str, str], *, writable: bool = False) -> list[str]:
        """The whole command that runs `words` inside. `mounts` are path inside -> path outside (`:ro` behind it), or `tmpfs`."""
        given = [x for inside, outside in mounts.items() for x in (inside.lstrip("/"), outside)]
        variables = [f"{name}={value}" for name, value in {**self.environment, **environment}.items()]
        uid, gid = self.user.split(":")
        rights = [] if uid == "0" else ["--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"]
        return [
            "unshare", "--mount", "--propagation", "private", "sh", "-c", _ENTER, "sh", str(self.path), "yes" if writable else "no", *given, "--",
            "setpriv", "--reuid", uid, "--regid", gid, "--clear-groups", *rights,
            "env", "-i", *variables, "sh", "-c", 'cd "$0" && exec "$@"', self.folder, *words,
        ]  # fmt: skip

    def run(
        self, words: Sequence[str], environment: Mapping[str, str], mounts: Mapping[str, str], *, writable: bool = False
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        command = self.command(words, environment, mounts, writable=writable)
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)

    def inside(self, path: str) -> Path:
        """A path of the root, seen from outside; relative ones start at the working folder."""
        return self.path / (Path(self.folder) / path).relative_to("/")


@contextmanager
def built(plan: Sequence[Stage]) -> Iterator[Root]:
    """The root that the steps of a Dockerfile make out of a bare Debian."""
    start = base()
    with tempfile.TemporaryDirectory(prefix="gateway-image-", dir=_scratch()) as scratch:
        folder = Path(scratch)
        folder.chmod(0o755)
        done: dict[str, Root] = {}
        for number, stage in enumerate(plan):
            root = Root(folder / f"stage{number}")
            subprocess.run(["cp", "-a", "--reflink=auto", str(start), str(root.path)], check=True)
            root.path.chmod(0o755)
            _apply(stage, root, done)
            done[stage.name] = root
        yield root


def _scratch() -> str | None:
    """Memory where there is enough: twenty thousand files are quicker made and taken away there."""
    return str(_MEMORY) if _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > _ROOM_BYTES else None


def _apply(stage: Stage, root: Root, done: Mapping[str, Root]) -> None:
    for step in stage.steps:
        match step.name:
            case "ENV":
                root.environment |= dict(word.split("=", 1) for word in step.words())
            case "WORKDIR":
                root.folder = step.text
                root.inside(".").mkdir(parents=True, exist_ok=True)
            case "USER":
                root.user = step.text
            case "COPY":
                _copy([word for word in step.words() if not word.startswith("--")], root, done.get(step.flag("from") or ""))
            case "RUN":
                ran = root.run(["sh", "-c", step.text], _network(), _of_the_builder(), writable=True)
                assert ran.returncode == 0, f"RUN {step.text}\n{ran.stdout[-3000:]}\n{ran.stderr[-3000:]}"


def _copy(words: Sequence[str], root: Root, source: Root | None) -> None:
    *names, target = words
    for name in names:
        inside = root.inside(target)
        if source is not None:
            subprocess.run(["cp", "-a", f"{source.inside(name)}/.", str(_made(inside))], check=True)
            continue
        files = [file for file in context(PROJECT) if file == name or file.startswith(name.rstrip("/") + "/")]
        assert files, f"COPY {name}: nothing of that name is in what the image is built from"
        for file in files:
            within = Path(file).relative_to(name) if file != name else Path(name).name if target.endswith("/") else ""
            _made((inside / within).parent)
            shutil.copyfile(PROJECT / file, inside / within)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _network() -> dict[str, str]:
    """How this machine reaches its package index: what `docker build` gets from its builder."""
    names = ("PIP_", "SSL_CERT_", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")
    given = {name: value for name, value in os.environ.items() if name.startswith(names)}
    return {**given, "PIP_FIND_LINKS": "/mnt"} if _wheels() else given


def _of_the_builder() -> dict[str, str]:
    """Its resolver, its certificates, its settings of pip and its folder of wheels, where it has them."""
    shared = {path: f"{path}:ro" for path in ("/etc/resolv.conf", "/etc/ssl", "/etc/pip.conf") if Path(path).exists()}
    return {**shared, "/mnt": f"{_wheels()}:ro"} if _wheels() else shared


def _wheels() -> str:
    folder = os.environ.get("PIP_FIND_LINKS", "")
    return folder if folder.startswith("/") and Path(folder).is_dir() else ""
