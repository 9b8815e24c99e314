"""A process that adds rows to a store: `python -m tests.store.adding URL FIRST END STEP`. Prints how many were new."""

import asyncio
import sys

from llm_api_converter.store.base import Store
from llm_api_converter.store.open import open_store

from .test_contract import row


async def add(store: Store, first: int, end: int, step: int) -> int:
    await store.open()
    new = 0
    for start in range(first, end, step):
        new += await store.usage.add([row(number) for number in range(start, min(start + step, end))])
    await store.close()
    return new


if __name__ == "__main__":
    url, *numbers = sys.argv[1:]
    print(asyncio.run(add(open_store(url), *map(int, numbers))))
