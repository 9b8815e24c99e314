"""What a gateway has beyond translation, as one worker uses it: the store, keys, limits, usage records, budgets. Built from the settings,
opened with the worker.

A store that is away when the gateway starts does not keep it from starting: it is tried again until it is there, and meanwhile `/ready`
says so.
"""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from time import time
from typing import Any

import structlog

from ..access.keyring import KeyRing
from ..config import Config
from ..limits.base import Limiter, Log
from ..limits.host import HostLimiter
from ..observe.metrics import Metrics
from ..observe.tasks import background, stopped
from ..store.base import Store, StoreError
from ..store.records import StoredModel, UsageRow
from ..usage.budgets import Budgets
from ..usage.prices import Price, Prices
from ..usage.spool import Spool
from .allowances import Allowances
from .audit import RequestAudit

log = structlog.get_logger("gateway")

OPEN_AGAIN_S = 2.0
SWEEP_S = 600.0
MODELS_S = 2.0
DAY_S = 86_400.0


class Services:
    """Live as long as the worker. `away` says why the store cannot be used, None while it can."""

    def __init__(self, config: Config, store: Store, metrics: Metrics, decisions: Log | None = None) -> None:
        self._config = config
        self.store = store
        self.metrics = metrics
        self.away: str | None = "the store is not open yet"
        self.keys = KeyRing(
            store.keys, team_models={name: team.models for name, team in config.teams.items()}, offline_s=float(config.auth.offline_s)
        )
        self.allowances = Allowances(config)
        self.limiter = _limiter(config, decisions)
        self.prices = Prices([Price(**price.model_dump()) for price in config.prices])
        folder = Path(config.data_dir) / "spool"
        self.spool = Spool(folder, store.usage, self, max_bytes=config.usage.spool_max_bytes) if config.usage.enabled else None
        self.budgets = Budgets(store.usage, self.spool.sending if self.spool else None)
        self.audit = RequestAudit(store.audit, config.audit.bodies) if config.audit.requests else None
        self.on_models: Callable[[list[StoredModel]], None] = lambda models: None
        self._models: list[StoredModel] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Open what can be opened now; a store that is away is tried again in the background."""
        if not await self._open():
            self._tasks.append(background(self._open_later()))
        self.keys.start()
        if self._config.rate_limit.enabled:
            await self.limiter.open()
        if self.spool is not None:
            await self.spool.start()
            self.budgets.start()
        self._tasks += [background(self._sweeping()), background(self._watching_models())]
        if self._config.rate_limit.enabled:
            self._tasks.append(background(self._watching_limiter()))
        if self.audit is not None:
            self._tasks.append(background(self.audit.run()))

    async def stop(self) -> None:
        """Close everything; what waits to be written is written first."""
        await stopped(self._tasks)
        if self.spool is not None:
            await self.spool.stop()
            await self.budgets.stop()
        if self.audit is not None:
            await self.audit.flush()
        await self.keys.stop()
        await self.limiter.close()
        await self.store.close()

    async def _open(self) -> bool:
        try:
            await self.store.open()
        except StoreError as error:
            if self.away != str(error):
                log.error("store away", error=str(error), again_in_s=OPEN_AGAIN_S)
            self.away = str(error)
            self.metrics.store_up(False)
            return False
        self.away = None
        self.metrics.store_up(True)
        return True

    async def _open_later(self) -> None:
        while True:
            await asyncio.sleep(OPEN_AGAIN_S)
            if await self._open():
                log.info("store open")
                return

    async def _sweeping(self) -> None:
        """Delete what has expired, now and then."""
        while True:
            await asyncio.sleep(SWEEP_S)
            now_s, keep = time(), self._config
            try:
                await self.store.continuations.sweep(now_s)
                await self.store.responses.sweep(now_s)
                if keep.usage.keep_days is not None:
                    await self.store.usage.forget(now_s - keep.usage.keep_days * DAY_S)
                if keep.audit.keep_days is not None:
                    await self.store.audit.rotate(now_s - keep.audit.keep_days * DAY_S)
            except StoreError as error:
                log.warning("nothing swept", error=str(error))

    async def _watching_models(self) -> None:
        """Tell of model names that were added or changed at run time."""
        while True:
            try:
                found = await self.store.models.list()
                if found != self._models:
                    self._models = found
                    self.on_models(found)
            except StoreError:
                pass  # the key ring and `/ready` say so; names go on as they are
            await asyncio.sleep(MODELS_S)

    async def _watching_limiter(self) -> None:
        """Tell the metrics whether it can be asked."""
        while True:
            self.metrics.limiter_up(self.limiter.status()["reachable"])
            await asyncio.sleep(MODELS_S)

    async def ready(self) -> str | None:
        """Why the worker should get no requests now; None: it may."""
        if self.away is not None:
            return self.away
        try:
            await self.store.ping()
        except StoreError as error:
            self.metrics.store_up(False)
            return str(error)
        self.metrics.store_up(True)
        return None

    def status(self) -> dict[str, Any]:
        """For administrators: which parts there are."""
        limits = self._config.rate_limit
        return {"store": self._config.store.url.get_secret_value().partition(":")[0], "limits": limits.backend if limits.enabled else None}

    # ------------------------------------------------------------ what the spool tells

    def accounted(self, rows: Sequence[UsageRow]) -> None:
        """Calls have cost something."""
        self.budgets.accounted(rows)

    def delivered(self, rows: Sequence[UsageRow]) -> None:
        """Records have reached the store."""
        self.budgets.delivered(rows)

    def waiting(self, records: int, size_bytes: int) -> None:
        """What waits in the spool."""
        self.metrics.spooled(records, size_bytes)

    def dropped(self, records: int) -> None:
        """Records were given up."""
        self.metrics.usage_dropped(records)


def _limiter(config: Config, decisions: Log | None) -> Limiter:
    if config.rate_limit.backend == "redis" and config.rate_limit.enabled:
        from ..limits.redis import RedisLimiter

        assert config.redis.url is not None  # config.checks has seen to it
        return RedisLimiter(config.redis.url.get_secret_value(), on_failure=config.rate_limit.on_failure, log=decisions)
    return HostLimiter(Path(config.data_dir) / "limits", decisions)
