import io
import json

import structlog

from llm_api_converter.observe.logs import AccessLog, LineWriter, Redactor, configure


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


def test_lines_are_dropped_and_counted_when_nobody_takes_them() -> None:
    writer = LineWriter(io.BytesIO())
    writer._lines.extend([b"x"] * 50_000)
    writer.write(b"one too many")
    assert writer.dropped == 1


def test_the_line_of_a_request() -> None:
    out = io.BytesIO()
    writer = LineWriter(out)
    AccessLog(writer)({"status": 200, "model": "m"})
    AccessLog(writer, level="warning")({"status": 201})
    writer.flush()
    line = json.loads(out.getvalue())
    assert (line["event"], line["status"], line["model"], line["level"]) == ("request", 200, "m", "info")
    assert "T" in line["timestamp"]
