"""A real Prometheus, started by the run itself and skipped by its name where it is not installed."""

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
import yaml

from tests.engines import free_port, wait_for

SCRAPE_S = 1
JOB = "llm-api-converter"

Labels = dict[str, str]


class Prometheus:
    """One that listens."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}/api/v1/"

    def get(self, what: str, **query: str) -> Any:
        """The `data` of an answer. Raises HTTPError for an expression it does not take."""
        with urlopen(self._url + what + "?" + urlencode(query), timeout=10) as answer:
            return json.load(answer)["data"]

    def query(self, expression: str) -> list[tuple[Labels, float]]:
        """The series of an instant query, and their values."""
        data = self.get("query", query=expression)
        assert data["resultType"] in ("vector", "scalar"), expression
        if data["resultType"] == "scalar":
            return [({}, float(data["result"][1]))]
        return [(one["metric"], float(one["value"][1])) for one in data["result"]]

    def value(self, expression: str) -> float | None:
        """The one value of a query; None where there is no series."""
        found = self.query(expression)
        assert len(found) < 2, f"{expression}: {found}"
        return found[0][1] if found else None

    def wait_until(self, expression: str, wanted: float, patience_s: float = 20) -> None:
        """Until a query has a value."""
        end = time.monotonic() + patience_s
        while (got := self.value(expression)) != wanted:
            assert time.monotonic() < end, f"{expression} is {got}, not {wanted}"
            time.sleep(0.2)

    def firing(self) -> set[str]:
        """The alerts that fire now."""
        return {alert["labels"]["alertname"] for alert in self.get("alerts")["alerts"] if alert["state"] == "firing"}


@contextmanager
def prometheus(folder: Path, targets: list[str], rules: dict[str, Any] | None = None) -> Iterator[Prometheus]:
    """One that scrapes `targets` (`host:port`) every second, for the time of the block."""
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("prometheus is not installed")
    folder.mkdir()
    (folder / "rules.yml").write_text(yaml.safe_dump(rules or {"groups": []}))
    (folder / "prometheus.yml").write_text(yaml.safe_dump({
        "global": {"scrape_interval": f"{SCRAPE_S}s", "evaluation_interval": f"{SCRAPE_S}s"}, "rule_files": ["rules.yml"],
        "scrape_configs": [{"job_name": JOB, "static_configs": [{"targets": targets}]}],
    }))  # fmt: skip
    port = free_port()
    with (folder / "log").open("wb") as log:
        child = subprocess.Popen(
            [program, f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address=127.0.0.1:{port}"],
            stdout=log, stderr=log,
        )  # fmt: skip
        try:
            wait_for(port, child, "prometheus")
            _wait_ready(port)
            yield Prometheus(port)
        finally:
            child.terminate()
            child.wait(20)


def _wait_ready(port: int) -> None:
    """It listens before it answers."""
    for _ in range(300):
        try:
            with urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=5):
                return
        except HTTPError:
            time.sleep(0.1)
    raise RuntimeError("prometheus does not become ready")
