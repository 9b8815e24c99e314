"""Recorded provider traffic, where it lies beside the project."""

import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent / "shared" / "recordings"
needs_recordings = pytest.mark.skipif(not ROOT.is_dir(), reason="shared/recordings is not beside the project")


@cache
def load(name: str) -> list[dict[str, Any]]:
    """All records of one file, such as `openai_chat`."""
    with gzip.open(ROOT / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]
