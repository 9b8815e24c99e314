"""A store of its own for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from llm_api_converter.store.base import Store
from llm_api_converter.store.open import open_store


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """SQLite, open."""
    found = open_store(f"sqlite:///{tmp_path}/gateway.db")
    await found.open()
    yield found
    await found.close()
