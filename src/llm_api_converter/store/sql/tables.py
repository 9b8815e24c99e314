"""The tables. Times are Unix seconds; money is whole dollars and picodollars (1e-12) in two integers, exact and far from overflow.

What is looked for has a column; the rest of a record is JSON in `data`. A change here needs a migration (`migrations/versions`); a test
compares the two.
"""

from decimal import Context, Decimal

from sqlalchemy import BigInteger, Boolean, Column, Float, Index, Integer, LargeBinary, MetaData, String, Table, Text

metadata = MetaData()

keys = Table(
    "api_keys", metadata,
    Column("id", String(64), primary_key=True),
    Column("team", String(200), index=True),
    Column("created_s", Float, nullable=False, index=True),
    Column("version", Integer, nullable=False),
    Column("changed", BigInteger, nullable=False, index=True),
    Column("data", Text, nullable=False),
)  # fmt: skip
key_digests = Table(
    "api_key_digests", metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("key_id", String(64), nullable=False, index=True),
)  # fmt: skip
counters = Table(
    "counters", metadata, Column("name", String(64), primary_key=True), Column("value", BigInteger, nullable=False)
)

usage = Table(
    "usage", metadata,
    Column("id", String(64), primary_key=True),
    Column("at_s", Float, nullable=False),
    Column("day", String(10), nullable=False),
    Column("month", String(7), nullable=False),
    Column("key_id", String(64)),
    Column("key_name", String(200)),
    Column("owner", String(200)),
    Column("team", String(200)),
    Column("model", Text, nullable=False),
    Column("provider", Text),
    Column("upstream_model", Text),
    Column("protocol", String(64), nullable=False),
    Column("status", Integer, nullable=False),
    Column("failed", Boolean, nullable=False),
    Column("input_total", BigInteger),
    Column("output_total", BigInteger),
    Column("cache_read", BigInteger),
    Column("cache_write", BigInteger),
    Column("reasoning", BigInteger),
    Column("cost_usd", BigInteger),
    Column("cost_pico", BigInteger),
    Column("unpriced", Integer, nullable=False),
    Column("data", Text, nullable=False),
    Index("usage_newest", "at_s", "id"),
    Index("usage_of_key", "key_id", "at_s"),
    Index("usage_of_team", "team", "at_s"),
)  # fmt: skip
spent = Table(
    "spent", metadata,
    Column("scope", String(264), primary_key=True),
    Column("period", String(16), primary_key=True),
    Column("cost_usd", BigInteger, nullable=False),
    Column("cost_pico", BigInteger, nullable=False),
)  # fmt: skip

continuations = Table(
    "continuations", metadata,
    Column("scope", String(264), primary_key=True),
    Column("call_id", Text, primary_key=True),
    Column("expires_s", Float, nullable=False, index=True),
    Column("sealed", LargeBinary, nullable=False),
)  # fmt: skip
responses = Table(
    "responses", metadata,
    Column("scope", String(264), primary_key=True),
    Column("id", Text, primary_key=True),
    Column("created_s", Float, nullable=False),
    Column("expires_s", Float, nullable=False, index=True),
    Column("sealed", LargeBinary, nullable=False),
)  # fmt: skip
response_items = Table(
    "response_items", metadata,
    Column("scope", String(264), primary_key=True),
    Column("item_id", Text, primary_key=True),
    Column("response_id", Text, nullable=False, index=True),
)  # fmt: skip

audit = Table(
    "audit", metadata,
    Column("id", String(64), primary_key=True),
    Column("at_s", Float, nullable=False),
    Column("actor", String(200), nullable=False),
    Column("action", String(64), nullable=False),
    Column("subject", Text, nullable=False),
    Column("data", Text, nullable=False),
    Index("audit_newest", "at_s", "id"),
)  # fmt: skip
models = Table(
    "models", metadata,
    Column("name", Text, primary_key=True),
    Column("entry", Text, nullable=False),
    Column("updated_s", Float, nullable=False),
    Column("version", Integer, nullable=False),
)  # fmt: skip

PICO = 1_000_000_000_000
_PICODOLLARS = Decimal(PICO)
_PICODOLLAR, _EXACT = Decimal("0.000000000001"), Context(prec=64)


def split_money(amount: Decimal) -> tuple[int, int]:
    """Dollars -> (whole dollars, picodollars). Raises ValueError for what is finer than that."""
    pico = amount * _PICODOLLARS
    whole = int(pico)
    if pico != whole:
        raise ValueError(f"{amount} US dollars is finer than a picodollar")
    return (0, whole) if 0 <= whole < PICO else divmod(whole, PICO)


def joined_money(usd: int | None, pico: int | None) -> Decimal:
    """The two integers, or their sums, as dollars; nothing is 0."""
    return _EXACT.multiply(Decimal(int(usd or 0) * PICO + int(pico or 0)), _PICODOLLAR)
