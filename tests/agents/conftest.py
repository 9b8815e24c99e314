"""One fake and one gateway for all tests with real clients."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from .lab import Fake, Gateway, fake_model, gateway, settings


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the logs are kept: pytest keeps the last three runs."""
    return tmp_path_factory.mktemp("agents")


@pytest.fixture(scope="session")
def fake(lab: Path) -> Iterator[Fake]:
    with fake_model(lab) as running:
        yield running


@pytest.fixture(scope="session")
def served(lab: Path, fake: Fake) -> Iterator[Gateway]:
    with gateway(lab, settings(fake)) as running:
        yield running
