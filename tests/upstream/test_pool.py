"""Connections: reuse, the limit, stale ones, the end of idle ones, and what happens when somebody leaves."""

import asyncio
import gc
import time

import pytest

from llm_api_converter.hub.errors import ApiError
from llm_api_converter.upstream import pool as pool_module
from llm_api_converter.upstream.client import Client, UpstreamAnswer
from llm_api_converter.upstream.pool import Pool

from .wire import CUT, HANG, RESET, Peer, Script, chunked, http, listening, peer, reset, until

pytestmark = pytest.mark.anyio

HALF = http(b"0123456789")[:-5]
"""An answer whose body stops in the middle."""


async def ask(own: Client, up: Peer, body: bytes = b"{}") -> bytes:
    return await (await own.post(up.url, body, {}, "up")).read()


def only_pool(own: Client) -> Pool:
    (pool,) = own._pools.values()
    return pool


async def test_one_after_another_use_one_connection() -> None:
    async with peer([http()], [chunked(b"ok", trailers="t: u\r\n")], [http(b"", status=204)], [http(status=500)], [http()]) as up, Client() as own:
        for _ in range(20):
            await ask(own, up)
        assert (up.connections, len(up.requests)) == (1, 20)


async def test_the_last_used_is_taken_first() -> None:
    async with peer([0.05, http()], [0.05, http()], [http()]) as up, Client() as own:
        await asyncio.gather(ask(own, up), ask(own, up))
        used = {(await ask(own, up), up.requests[-1].connection)[1] for _ in range(10)}
        assert up.connections == 2
        assert len(used) == 1


# an answer after which the connection must not serve again
LAST: dict[str, Script] = {
    "connection: close": [http(b"ok", "connection: close")],
    "version 1.0": [b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok"],
    "until the end": [b"HTTP/1.1 200 OK\r\n\r\nok", CUT],
    "more than was asked for": [http() + b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison"],
    "a little more": [http() + b"HT"],
    "garbage behind it": [http() + b"garbage"],
    "garbage later": [http(), 0.02, b"garbage"],
    "a goodbye later": [http(), 0.02, http(b"", status=408), CUT],
    "closed": [http(), CUT],
}


@pytest.mark.parametrize("name", LAST)
async def test_connections_that_must_not_be_used_again(name: str) -> None:
    async with peer(LAST[name], [http(b"second")]) as up, Client() as own:
        assert await ask(own, up) == b"ok"
        await asyncio.sleep(0.06)
        assert up.open == 0, "closed at once, not when it is needed next"
        assert await ask(own, up) == b"second"
        assert [x.connection for x in up.requests] == [0, 1]


async def test_version_1_0_with_keep_alive_is_kept() -> None:
    async with peer([b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nok"]) as up, Client() as own:
        for _ in range(3):
            assert await ask(own, up) == b"ok"
        assert up.connections == 1


# ---------------------------------------------------------------- stale connections


@pytest.mark.parametrize("end", [CUT, RESET], ids=["closed", "reset"])
async def test_a_stale_connection_is_replaced_once(end: object) -> None:
    """The second request meets a connection that the server is just closing."""
    async with peer([http(b"one")], [end], [http(b"two")]) as up, Client() as own:
        assert await ask(own, up) == b"one"
        assert await ask(own, up, b"once") == b"two"
        assert [(x.connection, x.body) for x in up.requests] == [(0, b"{}"), (0, b"once"), (1, b"once")]


async def test_a_stale_connection_is_replaced_only_once() -> None:
    async with peer([http(b"one")], [CUT]) as up, Client() as own:
        await ask(own, up)
        with pytest.raises(ApiError, match="closed the connection without an answer"):
            await ask(own, up)
        assert len(up.requests) == 3


async def test_a_stale_connection_is_not_replaced_by_another_stale_one() -> None:
    async with peer([0.05, http()], [0.05, http()], [CUT], [http(b"fresh")]) as up, Client() as own:
        await asyncio.gather(ask(own, up), ask(own, up))
        assert await ask(own, up) == b"fresh"
        assert up.requests[-1].connection == 2


@pytest.mark.parametrize("script", [[CUT], [b"H", CUT], [b"HTTP/1.1 100 Continue\r\n\r\n", CUT]], ids=["fresh", "a byte", "interim"])
async def test_otherwise_nothing_is_sent_twice(script: Script) -> None:
    first = [] if script == [CUT] else [[http()]]
    async with peer(*first, script) as up, Client() as own:
        if first:
            await ask(own, up)
        with pytest.raises(ApiError, match="closed the connection without an answer"):
            await ask(own, up)
        assert len(up.requests) == len(first) + 1


async def test_silence_on_an_old_connection_is_no_staleness() -> None:
    async with peer([http()], [HANG]) as up, Client(idle_timeout_s=0.1) as own:
        await ask(own, up)
        with pytest.raises(ApiError, match="sent nothing for too long"):
            await ask(own, up)
        assert len(up.requests) == 2


# ---------------------------------------------------------------- idle connections


async def test_idle_connections_are_swept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "KEEP_S", 0.4)
    async with peer([0.05, http()], [0.05, http()], [http()]) as up, Client() as own:
        await asyncio.gather(ask(own, up), ask(own, up))
        assert up.open == 2
        await asyncio.sleep(0.25)
        await ask(own, up)  # one of the two is younger now
        await until(lambda: up.open == 1, 1)
        await until(lambda: up.open == 0, 1)
        assert only_pool(own).unused
        await ask(own, up)
        assert up.connections == 3


async def test_a_connection_the_sweep_has_missed_is_not_taken() -> None:
    """The loop was too busy for the timer: age counts, not whether the sweep came by."""
    async with peer([http()]) as up, Client() as own:
        await ask(own, up)
        (idle,) = only_pool(own)._idle
        idle.idle_since -= 56
        await ask(own, up)
        assert up.connections == 2
        assert only_pool(own)._open == 1


async def test_a_servers_own_limit_is_heeded() -> None:
    async with peer([http(b"ok", "keep-alive: timeout=1, max=100")]) as up, Client() as own:
        await ask(own, up)
        await ask(own, up)
        assert up.connections == 1
        await until(lambda: up.open == 0, 1.0)
        await ask(own, up)
        assert up.connections == 2


@pytest.mark.parametrize(
    ("hint", "seconds"),
    [("timeout=5", 4), ("Timeout=5, max=9", 4), ("max=9,timeout=75", 55), ("timeout=0", 0.5), ("timeout=x", 55), ("", 55), ("5", 55)],
)
async def test_hints(hint: str, seconds: float) -> None:
    assert pool_module._keep_s({"keep-alive": hint}) == seconds


# ---------------------------------------------------------------- the limit


async def test_callers_are_served_in_order() -> None:
    async with peer([0.005, http()]) as up, Client(connections=1) as own:
        await asyncio.gather(*[ask(own, up, b"%d" % n) for n in range(12)])
        assert up.connections == 1
        assert [int(x.body) for x in up.requests] == list(range(12))


@pytest.mark.parametrize("close", [False, True])
async def test_the_limit_holds(close: bool) -> None:
    headers = ["connection: close"] if close else []
    async with peer([0.005, http(b"ok", *headers)]) as up, Client(connections=3) as own:
        most = 0

        async def one() -> None:
            nonlocal most
            await ask(own, up)
            most = max(most, only_pool(own)._open, len(only_pool(own)._all))

        await asyncio.gather(*[one() for n in range(30)])
        assert most == 3
        assert up.connections == (30 if close else 3)


async def test_a_caller_who_leaves_the_queue_holds_up_nobody() -> None:
    async with peer([0.05, http()], [http()]) as up, Client(connections=1) as own:
        first = asyncio.create_task(ask(own, up, b"1"))
        await until(lambda: len(up.requests) == 1)
        second, third = asyncio.create_task(ask(own, up, b"2")), asyncio.create_task(ask(own, up, b"3"))
        await asyncio.sleep(0.01)
        second.cancel()
        assert await first == await third == b"ok"
        assert [x.body for x in up.requests] == [b"1", b"3"]


async def test_a_caller_who_leaves_just_when_it_is_his_turn_passes_it_on() -> None:
    async with peer([http()]) as up, Client(connections=1) as own:
        answer = await own.post(up.url, b"1", {}, "up")
        second, third = asyncio.create_task(ask(own, up, b"2")), asyncio.create_task(ask(own, up, b"3"))
        await asyncio.sleep(0.02)
        await answer.read()  # hands the connection to the second ...
        second.cancel()  # ... who is gone before he can take it
        assert await third == b"ok"
        assert up.connections == 1


async def test_the_right_to_connect_is_passed_on_too() -> None:
    async with peer([http(b"ok", "connection: close")]) as up, Client(connections=1) as own:
        answer = await own.post(up.url, b"1", {}, "up")
        second, third = asyncio.create_task(ask(own, up, b"2")), asyncio.create_task(ask(own, up, b"3"))
        await asyncio.sleep(0.02)
        await answer.read()  # the connection closes; its place goes to the second ...
        second.cancel()  # ... who is gone before he can take it
        async with asyncio.timeout(2):
            assert await third == b"ok"
        assert [x.body for x in up.requests] == [b"1", b"3"]


@pytest.mark.parametrize("how", ["cut", "abandoned", "refused"])
async def test_places_of_lost_connections_are_given_on(how: str) -> None:
    async with peer([HALF, 0.03, CUT], [http()]) as up, Client(connections=1) as own:
        answer = await own.post(up.url, b"1", {}, "up")
        waiting = [asyncio.create_task(ask(own, up)) for _ in range(3)]
        await asyncio.sleep(0.01)
        if how == "abandoned":
            answer.close()
        elif how == "cut":
            with pytest.raises(ApiError, match="cut"):
                await answer.read()
        else:
            pool = only_pool(own)
            pool._origin = pool._origin._replace(port=1)
        if how == "refused":
            for task in waiting:
                with pytest.raises(ApiError, match="cannot be reached"):
                    await task
            assert only_pool(own)._open == 0
        else:
            assert await asyncio.gather(*waiting) == [b"ok"] * 3
            assert only_pool(own)._open == 1


async def test_a_connection_that_dies_between_two_callers_is_replaced() -> None:
    """Nothing is sent on it, so this is no retry: also not the only one this call may have."""
    async with peer([http()], [CUT], [http(b"new")]) as up, Client(connections=1) as own:
        answer = await own.post(up.url, b"1", {}, "up")
        connection = answer._connection  # type: ignore[attr-defined]
        pool = only_pool(own)
        second = asyncio.create_task(pool.connect())
        await asyncio.sleep(0.02)
        await answer.read()
        connection.abort()
        fresh = await second
        assert fresh is not connection
        assert not fresh.dead
        assert pool._open == 1
        fresh.abort()


async def test_a_second_try_at_the_limit_does_not_take_what_another_gives_back() -> None:
    """While the first call's connection is found stale, its place goes to a waiting one; what that one gives back is old as well."""
    async with peer([http()], [0.05, CUT], [0.05, http(b"queued")], [http(b"new")]) as up, Client(connections=1) as own:
        await ask(own, up)
        first, queued = asyncio.create_task(ask(own, up, b"first")), asyncio.create_task(ask(own, up, b"queued"))
        assert await asyncio.gather(first, queued) == [b"new", b"queued"]
        assert [(x.body, x.connection) for x in up.requests] == [(b"{}", 0), (b"first", 0), (b"queued", 1), (b"first", 2)]
        assert only_pool(own)._open == 1


async def test_a_stale_connection_at_the_limit_is_replaced_in_its_own_place() -> None:
    async with peer([http()], [CUT], [0.02, http(b"new")]) as up, Client(connections=1) as own:
        await ask(own, up)
        assert await asyncio.gather(ask(own, up), ask(own, up)) == [b"new", b"new"]
        assert only_pool(own)._open == 1


# ---------------------------------------------------------------- leaving


async def test_cancelling_before_the_headers_closes_the_connection_at_once() -> None:
    async with peer([HANG]) as up, Client() as own:
        task = asyncio.create_task(ask(own, up))
        await until(lambda: len(up.requests) == 1)
        task.cancel()
        began = time.perf_counter()
        await up.left.wait()
        assert time.perf_counter() - began < 0.1
        assert task.cancelled()


async def test_cancelling_in_the_body_closes_the_connection_at_once() -> None:
    async with peer([HALF, HANG]) as up, Client() as own:
        answer = await own.post(up.url, b"{}", {}, "up")
        assert await answer.read_some() == b"01234"
        task = asyncio.ensure_future(answer.read_some())
        await asyncio.sleep(0.01)
        task.cancel()
        began = time.perf_counter()
        await up.left.wait()
        assert time.perf_counter() - began < 0.1


@pytest.mark.parametrize("how", ["close", "forget"])
async def test_giving_up_an_answer_closes_the_connection_at_once(how: str) -> None:
    async with peer([HALF, HANG]) as up, Client() as own:
        answer: UpstreamAnswer | None = await own.post(up.url, b"{}", {}, "up")
        assert answer is not None
        if how == "close":
            answer.close()
        answer = None
        began = time.perf_counter()
        await up.left.wait()
        assert time.perf_counter() - began < 0.1
        assert only_pool(own).unused


async def test_closing_an_answer_that_is_all_here_keeps_the_connection() -> None:
    async with peer([http(b"never read")], [http(b"second")]) as up, Client() as own:
        answer = await own.post(up.url, b"{}", {}, "up")
        await asyncio.sleep(0.01)
        answer.close()
        assert await ask(own, up) == b"second"
        assert up.connections == 1


async def test_1000_abandoned_answers_leave_nothing() -> None:
    async with peer([HALF, HANG]) as up, Client() as own:
        tasks = asyncio.all_tasks()

        async def one(n: int) -> None:
            if n % 4 == 0:
                (await own.post(up.url, b"{}", {}, "up")).close()
            elif n % 4 == 1:
                await own.post(up.url, b"{}", {}, "up")
            else:
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.2):
                        await (await own.post(up.url, b"{}", {}, "up")).read()

        for _ in range(10):
            await asyncio.gather(*[one(n) for n in range(100)])
        await until(lambda: up.open == 0)
        # On a busy machine a limit of 0.2 s may pass before the request is out.
        assert 500 < len(up.requests) <= up.connections <= 1000
        assert only_pool(own).unused
        assert not only_pool(own)._all
        assert {x for x in asyncio.all_tasks() if not x.done()} - tasks == set()
        gc.collect()
        assert not [x for x in gc.get_objects() if type(x).__name__ == "Connection" and not x.dead]


async def test_cancelling_while_connecting_leaves_nothing() -> None:
    async with peer([http()]) as up, Client(connections=3) as own:
        for rounds in range(12):
            tasks = [asyncio.create_task(ask(own, up)) for _ in range(8)]
            for _ in range(rounds):
                await asyncio.sleep(0)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        assert await asyncio.gather(*[ask(own, up) for _ in range(8)]) == [b"ok"] * 8
        assert only_pool(own)._open <= 3
        assert not only_pool(own)._waiting
        await until(lambda: up.open <= 3)


async def test_an_early_refusal_of_a_large_body_is_an_answer() -> None:
    """The server answers and closes before it has read all; what it said is not lost, and the connection is not used again."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(http(b"too much", status=413))
        await asyncio.sleep(0.05)
        writer.close()

    async with listening(refuse) as port, Client() as own:
        answer = await own.post(f"http://127.0.0.1:{port}/", b"x" * 20_000_000, {}, "up")
        assert (answer.status, await answer.read()) == (413, b"too much")
        assert only_pool(own).unused


async def test_a_server_that_resets_all_its_connections_harms_no_later_call() -> None:
    async with peer([0.02, http()]) as up, Client() as own:
        await asyncio.gather(*[ask(own, up) for _ in range(20)])
        for writer in up.writers:
            reset(writer)
        assert await asyncio.gather(*[ask(own, up) for _ in range(20)]) == [b"ok"] * 20


# ---------------------------------------------------------------- the end of the client


async def test_a_connection_made_while_the_client_closes_is_closed() -> None:
    async with peer([http()]) as up:
        own = Client()
        task = asyncio.create_task(ask(own, up))
        await asyncio.sleep(0)
        closing = asyncio.create_task(own.close())
        with pytest.raises(ApiError):
            await task
        await closing
        await until(lambda: up.open == 0)
        assert not up.requests
        assert only_pool(own).unused


async def test_closing_the_client_ends_everything() -> None:
    async with peer([http()], [HANG]) as up:
        own = Client(connections=1)
        await ask(own, up)
        under_way, queued = asyncio.create_task(ask(own, up)), asyncio.create_task(ask(own, up))
        await until(lambda: len(up.requests) == 2)
        await own.close()
        for task, words in ((under_way, "closed"), (queued, "stopping")):
            with pytest.raises(ApiError, match=words):
                await task
        await until(lambda: up.open == 0)
        with pytest.raises(ApiError, match="stopping"):
            await ask(own, up)
        with pytest.raises(ApiError, match="stopping"):
            await own.post(up.url + "/other", b"", {}, "up")
        await own.close()
