"""Limits that hold over several machines, in Redis or Valkey: one script, one round trip, the server's own clock.

The script is the arithmetic of `bucket` once more. Every key of a reservation carries the same hash tag, so that a cluster keeps them
together. Slots are members of a sorted set that expire: a worker renews those it holds, so that a dead worker's are free within `LEASE_S`.

While the server is away nobody waits for it: it is asked again once a second, and until it answers everyone comes in (`open`) or nobody
(`closed`), as the settings say.
"""

import asyncio
from secrets import token_hex
from typing import Any, Literal

import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError

from ..observe.tasks import background
from .base import Away, Decision, Denied, Grant, Log, Rule, cost_of
from .bucket import price

log = structlog.get_logger("gateway")

PREFIX = "{llm-api-converter}:limit:"
TIMEOUT_S = 0.5
AGAIN_S = 1.0
LEASE_S = 15.0
RENEW_S = 5.0
SLOT_RETRY_S = 1.0

# KEYS: one a rule. ARGV: mode, lease id, lease seconds, then for each rule: kind (b or c), rate, burst, cost.
# Mode `reserve` takes all or none; `settle` takes whatever it is told and frees slots. Returns {granted, index of the rule that lacks most,
# seconds to wait, time, level before each}; numbers as text, for Redis cuts fractions off.
SCRIPT = """
local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1000000
local settling = ARGV[1] == 'settle'
local lease, lease_s = ARGV[2], tonumber(ARGV[3])
local levels, denied, longest = {}, 0, 0
for i, key in ipairs(KEYS) do
  local at = 3 + (i - 1) * 4
  local kind, rate, burst, cost = ARGV[at + 1], tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3]), tonumber(ARGV[at + 4])
  local level, wait = 0, 0
  if kind == 'c' then
    redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
    level = burst - redis.call('ZCARD', key)
    if level < 1 then wait = tonumber(ARGV[#ARGV]) end
  else
    local state = redis.call('HMGET', key, 'l', 't')
    level = tonumber(state[1] or burst)
    local since = tonumber(state[2] or now)
    if now > since then level = level + (now - since) * rate end
    if level > burst then level = burst end
    if not settling and level < cost - 0.000000001 then
      if rate > 0 then wait = (cost - level) / rate else wait = 1e12 end
    end
  end
  levels[i] = level
  if wait > longest then longest, denied = wait, i end
end
if settling or denied == 0 then
  for i, key in ipairs(KEYS) do
    local at = 3 + (i - 1) * 4
    local kind, rate, burst, cost = ARGV[at + 1], tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3]), tonumber(ARGV[at + 4])
    if kind == 'c' then
      if settling then redis.call('ZREM', key, lease) else redis.call('ZADD', key, now + lease_s, lease) end
      redis.call('PEXPIRE', key, math.ceil(lease_s * 2000))
    else
      local level = math.min(burst, levels[i] - cost)
      redis.call('HSET', key, 'l', string.format('%.17g', level), 't', string.format('%.17g', now))
      local full = 1
      if rate > 0 then full = (burst - level) / rate end
      redis.call('PEXPIRE', key, math.min(math.ceil(full * 1000) + 1000, 604800000))
    end
  end
end
local out = {denied == 0 and 1 or 0, denied, string.format('%.17g', longest), string.format('%.17g', now)}
for i, level in ipairs(levels) do out[4 + i] = string.format('%.17g', level) end
return out
"""


class RedisLimiter:
    """`Limiter` over all gateways that use the same server."""

    def __init__(self, url: str, *, on_failure: Literal["open", "closed"] = "open", log: Log | None = None, prefix: str = PREFIX) -> None:
        self._redis: Redis = Redis.from_url(
            url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S, retry=Retry(NoBackoff(), 0), decode_responses=False
        )
        self._open_when_away = on_failure == "open"
        self._log = log
        self._prefix = prefix
        self._sha = ""
        self._is_away = False
        self._leases: dict[str, tuple[str, ...]] = {}
        self._tending: asyncio.Task[None] | None = None
        self._back: asyncio.Task[None] | None = None
        self.away = 0

    async def open(self) -> None:
        try:
            self._sha = await self._redis.script_load(SCRIPT)
        except (RedisError, OSError, TimeoutError) as error:
            self._gone(error)
        self._tending = background(self._tend())

    async def close(self) -> None:
        for task in (self._tending, self._back):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        self._tending = None
        await self._redis.aclose()

    async def reserve(self, rules: tuple[Rule, ...], tokens: float) -> Grant | Denied:
        lease = token_hex(8) if any(rule.dimension == "concurrent" for rule in rules) else ""
        costs = [price(cost_of(rule, tokens), rule.burst) for rule in rules]
        answer = await self._run("reserve", lease, rules, costs)
        if answer is None:
            return Grant()
        granted, worst, wait_s, levels = self._read("reserve", rules, costs, answer)
        if not granted:
            return Denied(rules[worst - 1], wait_s, rules, levels)
        if lease:
            self._leases[lease] = tuple(self._key(rule) for rule in rules if rule.dimension == "concurrent")
        return Grant(rules, tokens, tuple(level - cost for level, cost in zip(levels, costs, strict=True)), lease)

    async def settle(self, grant: Grant, tokens: float | None) -> None:
        self._leases.pop(grant.lease, None)
        rules, costs = [], []
        for rule in grant.rules:
            if rule.dimension == "tokens" and tokens is not None:
                rules.append(rule)
                costs.append(tokens - price(grant.tokens, rule.burst))
            elif rule.dimension == "concurrent" and grant.lease:
                rules.append(rule)
                costs.append(-1.0)
        if not rules or all(cost == 0 for cost in costs):
            return
        try:
            answer = await self._run("settle", grant.lease, tuple(rules), costs)
        except Away:
            return
        if answer is not None:
            self._read("settle", tuple(rules), costs, answer)

    def _key(self, rule: Rule) -> str:
        return self._prefix + rule.name

    async def _run(self, mode: str, lease: str, rules: tuple[Rule, ...], costs: list[float]) -> list[Any] | None:
        """What the script says; None while the server is away and everyone may come in. Raises Away where nobody may."""
        if not self._is_away:
            keys = [self._key(rule) for rule in rules]
            arguments: list[str] = [mode, lease, repr(LEASE_S)]
            for rule, cost in zip(rules, costs, strict=True):
                arguments += ["c" if rule.dimension == "concurrent" else "b", repr(rule.rate_per_s), repr(rule.burst), repr(cost)]
            arguments.append(repr(SLOT_RETRY_S))
            try:
                return await self._evaluate(keys, arguments)
            except (RedisError, OSError, TimeoutError) as error:
                self._gone(error)
        self.away += 1
        if not self._open_when_away:
            raise Away("the server that counts rate limits is away")
        return None

    async def _evaluate(self, keys: list[str], arguments: list[str]) -> list[Any]:
        try:
            if self._sha:
                return await self._redis.evalsha(self._sha, len(keys), *keys, *arguments)  # type: ignore[no-any-return]
        except NoScriptError:
            pass  # the server was started anew, or its scripts were flushed
        self._sha = await self._redis.script_load(SCRIPT)
        return await self._redis.evalsha(self._sha, len(keys), *keys, *arguments)  # type: ignore[no-any-return]

    def _read(
        self, mode: Literal["reserve", "settle"], rules: tuple[Rule, ...], costs: list[float], answer: list[Any]
    ) -> tuple[bool, int, float, tuple[float, ...]]:
        granted, worst = bool(answer[0]), int(answer[1])
        wait_s, now_s = float(answer[2]), float(answer[3])
        levels = tuple(float(level) for level in answer[4:])
        if self._log is not None:
            for rule, cost, level in zip(rules, costs, levels, strict=True):
                done = granted or mode == "settle"
                self._log(Decision(rule.name, now_s, rule.rate_per_s, rule.burst, cost, level, mode, done))
        return granted, worst, wait_s, levels

    def _gone(self, error: Exception) -> None:
        if not self._is_away:
            self._is_away = True
            how = "everyone comes in" if self._open_when_away else "nobody comes in"
            log.error("rate limits away", error=type(error).__name__, meanwhile=how)
            self._back = background(self._come_back())

    async def _come_back(self) -> None:
        while True:
            await asyncio.sleep(AGAIN_S)
            try:
                self._sha = await self._redis.script_load(SCRIPT)
            except (RedisError, OSError, TimeoutError):
                continue
            self._is_away = False
            log.info("rate limits back")
            return

    async def _tend(self) -> None:
        """Renew the slots this worker holds."""
        while True:
            await asyncio.sleep(RENEW_S)
            if self._is_away or not self._leases:
                continue
            try:
                seconds, micros = await self._redis.time()
                until = seconds + micros / 1e6 + LEASE_S
                async with self._redis.pipeline(transaction=False) as pipe:
                    for lease, keys in list(self._leases.items()):
                        for key in keys:
                            pipe.zadd(key, {lease: until})
                            pipe.pexpire(key, int(LEASE_S * 2000))
                    await pipe.execute()
            except (RedisError, OSError, TimeoutError) as error:
                self._gone(error)
