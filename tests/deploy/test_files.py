"""What can be said of the files of deploy/ without an engine: they parse, they fit each other, the settings, the locks and the metrics."""

import json
import re
import subprocess
import tomllib
from configparser import ConfigParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import yaml

from llm_api_converter.config import Config
from tests.deploy.dockerfile import admits, context, stages

PROJECT = Path(__file__).resolve().parents[2]
DEPLOY = PROJECT / "deploy"
PLAN = stages((DEPLOY / "docker/Dockerfile").read_text())
IMAGE = PLAN[-1]
COMPOSE = yaml.safe_load((DEPLOY / "docker/compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
PYPROJECT = tomllib.loads((PROJECT / "pyproject.toml").read_text())
OURS = "llm-api-converter:latest"


def tracked(path: Path) -> bool:
    """Whether a fresh clone has it."""
    return subprocess.run(["git", "ls-files", "--error-unmatch", str(path)], cwd=PROJECT, capture_output=True, check=False).returncode == 0


# ---------------------------------------------------------------- reading Dockerfiles and .dockerignore


def test_a_dockerfile_is_read_as_docker_does() -> None:
    build, last = stages('# a\nFROM x AS build\nENV A=1 B="b c"\nRUN one \\\n    # not this\n    && two\n\nFROM y\nCOPY --from=build /a /b\nCMD ["p", "q"]\n')
    assert (build.base, build.name, last.base, last.name) == ("x", "build", "y", "")
    assert build.environment() == {"A": "1", "B": "b c"}
    assert re.sub(r"\s+", " ", build.last("RUN").text) == "one && two"
    assert last.last("COPY").flag("from") == "build"
    assert last.last("CMD").words() == ["p", "q"]
    with pytest.raises(AssertionError, match="ADD"):
        stages("FROM x\nADD a b\n")


@pytest.mark.parametrize(("ignore", "path", "kept"), [
    ("", "a", True),
    ("*", "a", False),
    ("*", "a/b", False),
    ("*\n!a", "a/b/c", True),
    ("*\n!a/b", "a/b", True),
    ("*\n!a/b", "a/c", False),
    ("*\n!a\n**/*.pyc", "a/b/c.pyc", False),
    ("*\n!a\n**/__pycache__", "a/__pycache__/c", False),
    ("# a\n*.md\n!README.md", "README.md", True),
    ("*.md", "a/b.md", True),
    ("a?c", "abc", False),
    ("a.c", "abc", True),
])  # fmt: skip
def test_what_dockerignore_lets_through(ignore: str, path: str, kept: bool) -> None:
    assert admits(ignore, path) is kept


# ---------------------------------------------------------------- the image


def test_the_image_is_built_from_the_source_and_nothing_else() -> None:
    files = context(PROJECT)
    copied = [word.rstrip("/") for stage in PLAN for step in stage.steps if step.name == "COPY" and not step.flag("from") for word in step.words()[:-1]]
    assert copied
    for name in copied:
        assert [x for x in files if x == name or x.startswith(name + "/")], f"COPY {name}"
    assert {x for x in files if not any(x == name or x.startswith(name + "/") for name in copied)} == set(), "sent to the builder for nothing"
    ignore = (PROJECT / ".dockerignore").read_text()
    for secret in (".env", "gateway.yaml", "data/master.key", ".git/config", "deploy/docker/.env", "src/llm_api_converter/__pycache__/x.pyc"):
        assert not admits(ignore, secret), secret


def test_the_image_runs_as_nobody_and_says_how_it_is() -> None:
    assert IMAGE.last("USER").text == "10001:10001"
    assert IMAGE.last("EXPOSE").text == IMAGE.environment()["PORT"]
    assert IMAGE.environment()["DATA_DIR"] == IMAGE.last("VOLUME").text
    assert IMAGE.environment()["HOST"] == "0.0.0.0"
    assert IMAGE.last("CMD").words()[0] in PYPROJECT["project"]["scripts"]
    assert "/health" in " ".join(IMAGE.last("HEALTHCHECK").command())
    assert all(re.fullmatch(r"python:3\.\d+-slim-\w+", stage.base) for stage in PLAN)
    assert len({stage.base for stage in PLAN}) == 1, "what one Python made, the same one runs"


def test_the_image_has_every_extra() -> None:
    lock = (PROJECT / "requirements/image.lock").read_text()
    locked = {re.sub(r"[-_.]+", "-", name).lower() for name in re.findall(r"^([\w.-]+)(?:\[[^]]*\])?==", lock, re.MULTILINE)}
    project = PYPROJECT["project"]
    wanted = [*project["dependencies"], *(x for extra in project["optional-dependencies"].values() for x in extra), *PYPROJECT["dependency-groups"]["build"]]
    names = {re.sub(r"[-_.]+", "-", re.match(r"[\w.-]+", requirement)[0]).lower() for requirement in wanted}  # type: ignore[index]
    assert names - locked == set(), "make lock"
    assert "requirements/image.lock" in (PROJECT / "Makefile").read_text(), "renewed with the other locks"
    install = next(step.text for step in PLAN[0].steps if "image.lock" in step.text and step.name == "RUN")
    assert "--require-hashes" in install


# ---------------------------------------------------------------- the stack


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_no_rights_it_does_not_need(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    for port in service.get("ports", ()):
        assert port.startswith(("127.0.0.1:", "${BIND:-127.0.0.1}:")), "only this machine, unless somebody says otherwise"
    image, _, tag = service["image"].partition(":")
    assert tag, image
    assert service["image"] == OURS or re.search(r"\d+\.\d+", tag), f"{image}: a version"


@pytest.mark.parametrize("name", SERVICES)
def test_what_a_service_mounts_is_there(name: str) -> None:
    for volume in SERVICES[name].get("volumes", ()):
        source, inside, *_ = volume.split(":")
        assert inside.startswith("/")
        if not source.startswith("."):
            assert source in COMPOSE["volumes"]
            continue
        path = (DEPLOY / "docker" / source).resolve()
        files = [path] if path.is_file() else [x for x in path.rglob("*") if x.is_file()]
        assert files, source
        for file in files:
            assert tracked(file), f"{file}: not in the source"


def plain(service: str) -> dict[str, str]:
    """The environment of a service where nobody set a variable."""
    return {name: re.sub(r"\$\{\w+(?::-([^}]*))?\}", lambda found: found[1] or "", str(value)) for name, value in SERVICES[service]["environment"].items()}


def test_the_gateway_of_the_stack_takes_its_settings_and_finds_its_neighbours() -> None:
    config = Config.load(DEPLOY / "docker/gateway.yaml", {**IMAGE.environment(), **plain("gateway")}, DEPLOY / "docker", {})
    assert config.notes == ()
    assert config.server.workers > 1
    assert config.rate_limit.backend == "redis"
    assert config.redis.url is not None
    addresses = f"{unquote(config.store_url)} {config.redis.url.get_secret_value()}"
    assert set(re.findall(r"//([a-z]+):\d", addresses)) == {"dynamodb", "redis"} <= set(SERVICES)
    assert SERVICES["gateway"]["ports"][0].endswith(":" + IMAGE.last("EXPOSE").text)
    for name in SERVICES["gateway"]["depends_on"]:
        assert name in SERVICES


def test_prometheus_and_grafana_find_each_other() -> None:
    scraped = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text())
    targets = [target for job in scraped["scrape_configs"] for group in job["static_configs"] for target in group["targets"]]
    assert targets == ["gateway:" + IMAGE.last("EXPOSE").text]
    for file in scraped["rule_files"]:
        assert (DEPLOY / "prometheus" / file).is_file()
    source = yaml.safe_load((DEPLOY / "grafana/provisioning/datasources/prometheus.yaml").read_text())["datasources"][0]
    assert source["url"] == "http://prometheus:9090"
    board = json.loads((DEPLOY / "grafana/dashboards/llm-api-converter.json").read_text())
    used = {part["datasource"]["uid"] for part in [*board["panels"], *board["templating"]["list"]] if "datasource" in part}
    assert used == {source["uid"]}
    folder = yaml.safe_load((DEPLOY / "grafana/provisioning/dashboards/files.yaml").read_text())["providers"][0]["options"]["path"]
    assert folder in [volume.split(":")[1] for volume in SERVICES["grafana"]["volumes"]]


def test_panels_lie_beside_each_other_and_say_what_they_are() -> None:
    panels = json.loads((DEPLOY / "grafana/dashboards/llm-api-converter.json").read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: dict[tuple[int, int], str] = {}
    for panel in panels:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        for x in range(at["x"], at["x"] + at["w"]):
            for y in range(at["y"], at["y"] + at["h"]):
                assert taken.setdefault((x, y), panel["title"]) == panel["title"]


def test_metrics_of_dashboard_and_alerts_exist() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| ([^|]*)\|", (PROJECT / "docs/metrics.md").read_text(), re.MULTILINE)
    known = {name + end for name, kind, _ in rows for end in (("_bucket", "_sum", "_count") if kind == "histogram" else ("",))}
    board = json.loads((DEPLOY / "grafana/dashboards/llm-api-converter.json").read_text())
    rules = yaml.safe_load((DEPLOY / "prometheus/alerts.yml").read_text())["groups"]
    expressions = [target["expr"] for panel in board["panels"] for target in panel.get("targets", ())]
    expressions += [rule["expr"] for group in rules for rule in group["rules"]]
    used = set(re.findall(r"\b(?:llm_converter|gen_ai_(?:server|client))_\w+", " ".join(expressions)))
    assert used
    assert used - known == set()


# ---------------------------------------------------------------- without containers


def test_the_unit_starts_what_the_package_installs() -> None:
    unit = ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(DEPLOY / "systemd/llm-api-converter.service")
    service = unit["Service"]
    program, command = service["ExecStart"].split()
    assert Path(program).name in PYPROJECT["project"]["scripts"]
    assert command == "serve"
    assert f"DATA_DIR=/var/lib/{service['StateDirectory']}" in service["Environment"]


PAGE = (PROJECT / "docs/deploy.md").read_text()


def test_the_page_names_files_that_exist() -> None:
    for path in re.findall(r"\b(?:deploy|requirements|scripts|docs)/[\w./-]+\w", PAGE):
        assert (PROJECT / path).exists(), path
    for link in re.findall(r"\]\(([^)#:]+)\)", PAGE):
        assert (PROJECT / "docs" / link).exists(), link


def test_the_page_names_settings_that_exist() -> None:
    settings = (PROJECT / "docs/settings.md").read_text()
    for name in re.findall(r"`((?:server|auth|admin|rate_limit|store|redis|upstream|usage|seal|retry)\.[a-z_.]+)`", PAGE):
        assert f"`{name}" in settings, name
