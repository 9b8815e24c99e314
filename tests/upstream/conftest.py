import pytest


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """Every test of the wire runs on both event loops."""
    return "asyncio", {"use_uvloop": request.param}
