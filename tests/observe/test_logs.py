import io
import json
import sys
from datetime import datetime
from typing import Any

import pytest
import structlog

from llm_api_converter.observe.logs import AccessLog, LineWriter, Redactor, configure

SECRET = 'sk-"quoted"/ünd-secret'


def test_a_line_is_json_and_secrets_are_gone() -> None:
    out = io.BytesIO()
    writer = configure("info", out=out, redactor=Redactor(["sk-secret-1", "short", ""]))
    log = structlog.get_logger("test")
    log.info("request", status=200, message="key sk-secret-1 is short", path="x")
    log.debug("not shown")
    writer.flush()
    line = json.loads(out.getvalue())
    assert line["event"] == "request"
    assert line["level"] == "info"
    assert line["status"] == 200
    assert line["message"] == "key *** is short"
    assert line["timestamp"].endswith("Z")


@pytest.mark.parametrize("development", [False, True])
def test_no_way_of_logging_lets_a_secret_out(development: bool) -> None:
    """Nested values, keys, exceptions with their tracebacks, the access log: what is written is what is looked at."""
    out = io.BytesIO()
    writer = configure("info", out=out, development=development, redactor=Redactor([SECRET]))
    log = structlog.get_logger("test")
    log.info(f"event {SECRET}", nested={"deep": [SECRET]}, **{SECRET: 1})
    try:
        local = SECRET
        raise RuntimeError(f"with {local}")
    except RuntimeError as error:
        log.error("internal error", exc_info=error, error=repr(error))
    AccessLog(writer, json=not development)({"model": SECRET, "losses": [SECRET]})
    writer.flush()
    text = out.getvalue().decode()
    for form in (SECRET, json.dumps(SECRET)[1:-1], json.dumps(SECRET, ensure_ascii=False)[1:-1], repr(SECRET)[1:-1]):
        assert form not in text
    assert text.count("***") >= 6
    assert "RuntimeError: with ***" in text, "a traceback, and where it came from"
    assert "test_logs.py" in text
    assert 'local = "' not in text, "the values of variables are not shown"


@pytest.mark.parametrize("form", [SECRET, json.dumps(SECRET), "https://host/?key=sk-%22quoted%22%2F%C3%BCnd-secret&x=1"])
def test_a_secret_is_found_in_text_json_and_urls(form: str) -> None:
    redact = Redactor([SECRET])
    assert "***" in redact(form)
    assert "quoted" not in redact(form)
    assert redact.in_bytes(form.encode()) == redact(form).encode()


def test_secrets_that_are_learned_are_forgotten_in_order_but_never_the_fixed_ones() -> None:
    redact = Redactor(["fixed-secret"])
    for n in range(100):
        redact.learn(f"token-number-{n:03}")
    assert redact("token-number-099 fixed-secret token-number-036 token-number-000") == "*** *** *** token-number-000"
    assert redact.in_bytes(b"\xff token-number-099") == b"\xff ***"


def test_lines_are_dropped_and_counted_when_nobody_takes_them() -> None:
    told: list[int] = []
    writer = LineWriter(io.BytesIO(), on_drop=told.append)
    writer._lines.extend([b"x"] * 50_000)
    writer.write(b"one too many")
    assert (writer.dropped, told) == (1, [1])


def test_a_full_disk_costs_its_lines_and_no_more() -> None:
    class Full(io.BytesIO):
        full = True

        def write(self, data: Any) -> int:
            if self.full:
                raise OSError(28, "No space left on device")
            return super().write(data)

    out, told = Full(), list[int]()
    writer = LineWriter(out, on_drop=told.append)
    writer.write(b"one")
    writer.write(b"two")
    writer.flush()
    out.full = False
    writer.write(b"three")
    writer.flush()
    assert sum(told) == 2
    assert out.getvalue() == b"three\n"


def test_the_line_of_a_request() -> None:
    out = io.BytesIO()
    writer = LineWriter(out)
    AccessLog(writer)({"status": 200, "model": "m"})
    AccessLog(writer, level="warning")({"status": 201})
    writer.flush()
    line = json.loads(out.getvalue())
    assert (line["event"], line["status"], line["model"], line["level"]) == ("request", 200, "m", "info")
    assert "T" in line["timestamp"]


def test_standard_output_is_the_place(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    writer = configure("info")
    structlog.get_logger("test").info("here")
    writer.flush()
    sys.stdout.flush()
    assert b'"event":"here"' in capsysbinary.readouterr().out


def test_half_a_character_costs_no_line() -> None:
    out = io.BytesIO()
    writer = LineWriter(out)
    access = AccessLog(writer)
    for model in ("one", "a\ud800b", "three"):
        access({"model": model})
    writer.flush()
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [line["model"] for line in lines] == ["one", "a\ud800b", "three"]
    assert all(datetime.fromisoformat(line["timestamp"]).tzinfo is not None for line in lines)
