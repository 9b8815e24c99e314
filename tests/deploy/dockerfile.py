"""What an image is built from, read as Docker reads it: the steps of a Dockerfile, and what `.dockerignore` lets through.

Only what our own file uses is understood; anything else is an error, so that the file cannot come to mean more than is tested.
"""

import json
import re
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

_KNOWN = frozenset(
    ("FROM", "ENV", "WORKDIR", "RUN", "COPY", "VOLUME", "USER", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK", "CMD")
)


@dataclass(frozen=True)
class Step:
    """One instruction. `text` is what follows its name, continuation lines joined."""

    name: str
    text: str

    def words(self) -> list[str]:
        """The words of a JSON list, or as a shell splits them."""
        listed: list[str] = json.loads(self.text) if self.text.startswith("[") else shlex.split(self.text)
        return listed

    def flag(self, name: str) -> str | None:
        """The value of `--name=value` in front of an instruction's words."""
        found = re.search(rf"(?:^|\s)--{name}=(\S+)", self.text)
        return found[1] if found else None

    def command(self) -> list[str]:
        """Of HEALTHCHECK: the command behind its options."""
        listed: list[str] = json.loads(self.text.partition("CMD ")[2])
        return listed


@dataclass(frozen=True)
class Stage:
    """What stands between one FROM and the next."""

    base: str
    name: str
    steps: tuple[Step, ...]

    def last(self, name: str) -> Step:
        """The instruction that counts where several are given."""
        return [step for step in self.steps if step.name == name][-1]

    def environment(self) -> dict[str, str]:
        """All that ENV sets."""
        return dict(word.split("=", 1) for step in self.steps if step.name == "ENV" for word in step.words())


def stages(text: str) -> list[Stage]:
    """The stages of a Dockerfile, in order."""
    lines = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#")).replace("\\\n", " ")
    found: list[tuple[str, list[Step]]] = []
    for line in filter(str.strip, lines.splitlines()):
        name, _, rest = line.strip().partition(" ")
        assert name in _KNOWN, f"{name}: the tests do not know what it does"
        if name == "FROM":
            found.append((rest, []))
        else:
            found[-1][1].append(Step(name, rest.strip()))
    return [Stage(head.split()[0], head.partition(" AS ")[2], tuple(steps)) for head, steps in found]


def admits(ignore: str, path: str) -> bool:
    """Whether `.dockerignore` lets a file into what an image is built from: the last pattern that names it, or a folder above it, decides."""
    kept = True
    above = [path, *(str(parent) for parent in PurePosixPath(path).parents if str(parent) != ".")]
    for line in ignore.splitlines():
        pattern = line.strip()
        if not pattern or pattern.startswith("#"):
            continue
        wanted = re.compile(_regex(pattern.removeprefix("!").strip("/")))
        if any(wanted.fullmatch(name) for name in above):
            kept = pattern.startswith("!")
    return kept


def _regex(pattern: str) -> str:
    parts = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return "".join(parts.get(piece, re.escape(piece)) for piece in re.split(r"(\*\*/|\*\*|\*|\?)", pattern))


def context(project: Path) -> list[str]:
    """The files an image is built from: those of the source, as a fresh clone has them, that `.dockerignore` lets through."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=project, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    ignore = (project / ".dockerignore").read_text()
    return [name for name in listed if name and (project / name).is_file() and admits(ignore, name)]
