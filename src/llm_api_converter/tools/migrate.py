"""`migrate`: make or update the tables of the store the settings name."""

import asyncio
from typing import TYPE_CHECKING

from ..store.base import StoreError
from ..store.open import open_store

if TYPE_CHECKING:
    from ..config import Config


class MigrateError(Exception):
    """It cannot be done; the message says why."""


def migrate(config: "Config") -> list[str]:
    """What was done, a line each; none: the tables were as they should be. Raises MigrateError."""

    async def run() -> list[str]:
        store = open_store(config.store_url, config.store.tables)
        try:
            return await store.migrate()
        finally:
            await store.close()

    try:
        return asyncio.run(run())
    except StoreError as error:
        raise MigrateError(str(error)) from error
