"""Limits that hold over several machines, in Redis or Valkey: one script (`script.lua`), one round trip, the server's own clock.

Every key of a reservation carries the same hash tag, so that a cluster would keep them together. Slots are members of a sorted set that
run out: a worker renews those it holds long before, so that a dead worker's are free within the lease.

Decisions are sent as they are asked for, over at most `SENDERS` connections; what is asked while all are busy goes together on the next.
A caller that does not wait for its answer any more gets back what it was granted.

While the server is away nobody waits for it: it is asked again every `AGAIN_S`, with a decision of its own, and until it decides everyone
comes in (`open`) or nobody (`closed`), as the settings say.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from importlib import resources
from secrets import token_hex
from typing import Any, Literal

import structlog
from msgspec import Struct
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError

from ..observe.tasks import background, stopped
from .base import Away, Decision, Denied, Grant, Log, Rule, Take, cost_of
from .bucket import price

log = structlog.get_logger("gateway")

PREFIX = "{llm-api-converter}:limit:"
TIMEOUT_S = 0.5
AGAIN_S = 1.0
LEASE_S = 15.0
SLOT_RETRY_S = 1.0
SENDERS = 8
BATCH = 64

SCRIPT = resources.files(__package__).joinpath("script.lua").read_text(encoding="utf-8")

_Mode = Literal["reserve", "settle"]
_FAILURES = (RedisError, OSError, TimeoutError)


class _Answer(Struct, frozen=True):
    """What the script returns."""

    granted: bool
    worst: int
    wait_s: float
    at_s: float
    order: int
    levels: tuple[float, ...]
    freed: tuple[float, ...]

    @classmethod
    def read(cls, line: bytes) -> "_Answer":
        granted, worst, wait_s, at_s, order, *rest = line.split()
        levels, freed = tuple(map(float, rest[::2])), tuple(map(float, rest[1::2]))
        return cls(granted == b"1", int(worst), float(wait_s), float(at_s), int(order), levels, freed)


class _Ask:
    """A decision that is asked for. `answer` becomes None where the server is away."""

    __slots__ = ("answer", "costs", "lease", "mode", "rules")

    def __init__(self, mode: _Mode, lease: str, rules: Sequence[Rule], costs: Sequence[float]) -> None:
        self.mode = mode
        self.lease = lease
        self.rules = rules
        self.costs = costs
        self.answer: asyncio.Future[_Answer | None] = asyncio.get_running_loop().create_future()


class RedisLimiter:
    """`Limiter` over all gateways that use the same server. `log` is told of every decision. The slots of a dead worker are free after
    `lease_s`, which is the same for all.
    """

    settles_at_once = False

    def __init__(
        self, url: str, *, on_failure: Literal["open", "closed"] = "open", log: Log | None = None, prefix: str = PREFIX,
        lease_s: float = LEASE_S,
    ) -> None:  # fmt: skip
        self._redis: Redis = Redis.from_url(
            url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S, retry=Retry(NoBackoff(), 0), decode_responses=False
        )
        self._open_when_away = on_failure == "open"
        self._log = log
        self._prefix = prefix
        self._lease_s = lease_s
        self._sha = ""
        self._queue: deque[_Ask] = deque()
        self._senders: set[asyncio.Task[None]] = set()
        self._leases: dict[str, tuple[str, ...]] = {}
        self._renewing: asyncio.Task[None] | None = None
        self._back: asyncio.Task[None] | None = None
        self._is_away = False
        self.away = 0

    async def open(self) -> None:
        try:
            await self._try()
        except _FAILURES as error:
            self._gone(error)
        self._renewing = background(self._renew())

    async def close(self) -> None:
        await stopped((self._renewing, self._back))
        await asyncio.gather(*self._senders, return_exceptions=True)
        self._renewing = self._back = None
        if self._leases and not self._is_away:
            try:
                async with asyncio.timeout(TIMEOUT_S):
                    await self._free(self._leases)
            except _FAILURES as error:
                log.warning("slots not freed", error=_said(error), free_in_s=self._lease_s)
        self._leases.clear()
        await self._redis.aclose()

    def status(self) -> dict[str, Any]:
        return {"backend": "redis", "reachable": not self._is_away, "away": self.away}

    # ------------------------------------------------------------ decisions

    async def reserve(self, rules: tuple[Rule, ...], tokens: float) -> Grant | Denied:
        """Raises Away."""
        lease = token_hex(8) if any(rule.is_slots for rule in rules) else ""
        costs = [price(cost_of(rule, tokens), rule.burst) for rule in rules]
        answer = await self._asked("reserve", lease, rules, costs)
        if answer is None:
            self.away += 1
            if not self._open_when_away:
                raise Away("the server that counts rate limits is away")
            return Grant()
        if not answer.granted:
            return Denied(rules[answer.worst - 1], answer.wait_s, rules, answer.levels)
        if lease:
            self._leases[lease] = tuple(self._prefix + rule.name for rule in rules if rule.is_slots)
        return Grant(rules, tokens, tuple(level - cost for level, cost in zip(answer.levels, costs, strict=True)), lease)

    async def settle(self, grant: Grant, tokens: float | None) -> None:
        """What cannot be settled is not: buckets fill by themselves, and a lease runs out that is not renewed."""
        self._leases.pop(grant.lease, None)
        rules, costs = [], []
        for rule in grant.rules:
            if rule.is_slots:
                cost = -1.0
            elif rule.dimension == "tokens" and tokens is not None:
                cost = tokens - price(grant.tokens, rule.burst)
            else:
                continue
            if cost:
                rules.append(rule)
                costs.append(cost)
        if rules and await self._asked("settle", grant.lease, rules, costs) is None:
            self.away += 1

    # ------------------------------------------------------------ sending

    async def _asked(self, mode: _Mode, lease: str, rules: Sequence[Rule], costs: Sequence[float]) -> _Answer | None:
        """None: the server is away."""
        if self._is_away:
            return None
        ask = _Ask(mode, lease, rules, costs)
        self._put(ask)
        try:
            return await ask.answer
        except asyncio.CancelledError:
            if not ask.answer.cancelled():  # it had come already
                self._give_back(ask, ask.answer.result())
            raise

    def _put(self, ask: _Ask) -> None:
        self._queue.append(ask)
        if len(self._senders) < SENDERS:
            sender = background(self._send())
            self._senders.add(sender)
            sender.add_done_callback(self._senders.discard)

    def _give_back(self, ask: _Ask, answer: _Answer | None) -> None:
        """Nobody waits for this answer any more."""
        if ask.mode == "reserve" and answer is not None and answer.granted:
            self._put(_Ask("settle", ask.lease, ask.rules, [-cost for cost in ask.costs]))

    async def _send(self) -> None:
        while self._queue:
            batch = [self._queue.popleft() for _ in range(min(len(self._queue), BATCH))]
            answers: list[_Answer | None] = [None] * len(batch)
            if not self._is_away:
                try:
                    async with asyncio.timeout(TIMEOUT_S):
                        answers = [_Answer.read(line) for line in await self._decided(batch)]
                except _FAILURES as error:
                    self._gone(error)
            for ask, answer in zip(batch, answers, strict=True):
                if answer is not None and self._log is not None:
                    self._log(_decision(ask, answer))
                if ask.answer.cancelled():
                    self._give_back(ask, answer)
                else:
                    ask.answer.set_result(answer)

    async def _decided(self, batch: list[_Ask]) -> list[bytes]:
        """What the script returns of each. Raises RedisError, OSError, TimeoutError."""
        commands = [self._command(ask) for ask in batch]
        lines = await self._evaluated(commands)
        while missing := [number for number, line in enumerate(lines) if isinstance(line, NoScriptError)]:
            await self._load()  # the server was started anew, or its scripts were flushed
            again = await self._evaluated([commands[number] for number in missing])
            for number, line in zip(missing, again, strict=True):
                lines[number] = line
        for line in lines:
            if isinstance(line, Exception):
                raise line
        return lines

    async def _evaluated(self, commands: list[list[Any]]) -> list[Any]:
        if len(commands) == 1:
            try:
                return [await self._execute(*commands[0])]
            except NoScriptError as error:
                return [error]
        async with self._redis.pipeline(transaction=False) as pipe:
            for command in commands:
                pipe.execute_command("EVALSHA", self._sha, *command)
            return await pipe.execute(raise_on_error=False)

    async def _execute(self, *command: Any) -> Any:
        return await self._redis.execute_command("EVALSHA", self._sha, *command)  # type: ignore[no-untyped-call]

    def _command(self, ask: _Ask) -> list[Any]:
        keys = [self._prefix + rule.name for rule in ask.rules]
        if self._log is not None:
            keys.append(self._prefix + "order")
        command = [len(keys), *keys, ask.mode, ask.lease, self._lease_s, SLOT_RETRY_S]
        for rule, cost in zip(ask.rules, ask.costs, strict=True):
            kind = "slots" if rule.is_slots else "bucket"
            command.append(f"{kind} {rule.rate_per_s!r} {rule.burst!r} {cost!r}")
        return command

    async def _load(self) -> None:
        self._sha = await self._redis.script_load(SCRIPT)

    # ------------------------------------------------------------ away and back

    def _gone(self, error: Exception) -> None:
        if not self._is_away:
            self._is_away = True
            log.error("rate limits away", error=_said(error), meanwhile="everyone comes in" if self._open_when_away else "nobody comes in")
            self._back = background(self._come_back())

    async def _come_back(self) -> None:
        while self._is_away:
            await asyncio.sleep(AGAIN_S)
            try:
                await self._try()
            except _FAILURES:
                continue
            self._is_away = False
            log.info("rate limits back")

    async def _try(self) -> None:
        """A decision about a bucket of nobody: a server that only reads, or has no memory left, is away too."""
        async with asyncio.timeout(TIMEOUT_S):
            await self._redis.connection_pool.disconnect(inuse_connections=False)
            await self._load()
            nobody = [1, self._prefix + "nobody", "settle", "", self._lease_s, SLOT_RETRY_S, "bucket 1 1 0"]
            await self._execute(*nobody)

    # ------------------------------------------------------------ leases

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(self._lease_s / 3)
            if self._is_away or not self._leases:
                continue
            try:
                async with asyncio.timeout(TIMEOUT_S):
                    lost = await self._extend(dict(self._leases), only_known=True)
                    # A server that was started anew has forgotten them. Those that are settled just now are freed for certain.
                    lost = {lease: keys for lease, keys in lost.items() if lease in self._leases}
                    if lost:
                        await self._extend(lost, only_known=False)
                        await self._free({lease: keys for lease, keys in lost.items() if lease not in self._leases})
            except _FAILURES as error:
                self._gone(error)

    async def _extend(self, leases: dict[str, tuple[str, ...]], *, only_known: bool) -> dict[str, tuple[str, ...]]:
        """Let them last. Returns those which the server does not have (any more)."""
        seconds, micros = await self._redis.time()
        until_s = seconds + micros / 1e6 + self._lease_s
        async with self._redis.pipeline(transaction=False) as pipe:
            for lease, keys in leases.items():
                for key in keys:
                    pipe.zadd(key, {lease: until_s}, xx=only_known)
                    pipe.pexpire(key, int(self._lease_s * 2000))
                    pipe.zscore(key, lease)
            scores = iter((await pipe.execute())[2::3])
        return {lease: keys for lease, keys in leases.items() if None in [next(scores) for _ in keys]}

    async def _free(self, leases: dict[str, tuple[str, ...]]) -> None:
        async with self._redis.pipeline(transaction=False) as pipe:
            for lease, keys in leases.items():
                for key in keys:
                    pipe.zrem(key, lease)
            await pipe.execute()


def _decision(ask: _Ask, answer: _Answer) -> Decision:
    takes = tuple(
        Take(rule.name, rule.rate_per_s, rule.burst, cost, level, freed)
        for rule, cost, level, freed in zip(ask.rules, ask.costs, answer.levels, answer.freed, strict=True)
    )
    return Decision(answer.order, answer.at_s, ask.mode, answer.granted, takes)


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
