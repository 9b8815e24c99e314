"""What a gateway has beyond translation, as one worker uses it: the store, keys. Built from the settings, opened with the worker.

A store that is away when the gateway starts does not keep it from starting: it is tried again until it is there, and meanwhile `/ready`
says so.
"""

import asyncio

import structlog

from ..access.keyring import KeyRing
from ..config import Config
from ..store.base import Store, StoreError

log = structlog.get_logger("gateway")

OPEN_AGAIN_S = 2.0


class Services:
    """Live as long as the worker. `away` says why the store cannot be used, None while it can."""

    def __init__(self, config: Config, store: Store) -> None:
        self.store = store
        self.away: str | None = "the store is not open yet"
        self.keys = KeyRing(
            store.keys, team_models={name: team.models for name, team in config.teams.items()}, offline_s=float(config.auth.offline_s)
        )
        self._opening: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Open what can be opened now; what cannot is tried again in the background."""
        if not await self._open():
            self._opening = asyncio.get_running_loop().create_task(self._open_later())
        self.keys.start()

    async def stop(self) -> None:
        """Close everything; what waits to be written is written first."""
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.gather(self._opening, return_exceptions=True)
        await self.keys.stop()
        await self.store.close()

    async def _open(self) -> bool:
        try:
            await self.store.open()
        except StoreError as error:
            if self.away != str(error):
                log.error("store away", error=str(error), again_in_s=OPEN_AGAIN_S)
            self.away = str(error)
            return False
        self.away = None
        return True

    async def _open_later(self) -> None:
        while True:
            await asyncio.sleep(OPEN_AGAIN_S)
            if await self._open():
                log.info("store open")
                return

    async def ready(self) -> str | None:
        """Why the worker should get no requests now; None: it may."""
        if self.away is not None:
            return self.away
        try:
            await self.store.ping()
        except StoreError as error:
            return str(error)
        return None
