import base64
import hmac
import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from llm_api_converter.hub.messages import Opaque
from llm_api_converter.hub.seal import SEAL_PREFIX, BadSeal, Sealed, Sealer, SealKey, Thought, is_seal

from .strategies import token_lists, words

SEALER = Sealer([SealKey("k1", b"first secret")])
REALM, SCOPE = "vendor.model", "ab12"


def opaque(data: str, kind: str = "signature", item_id: str | None = None) -> Opaque:
    return Opaque(REALM, kind, data, item_id, SCOPE)


EXAMPLE = Sealed(REALM, SCOPE, (opaque("RXE0QkNrWUlDeGdDKkA="), opaque("not base64", "encrypted", "rs_1")), (opaque("AAEC"),))

EXAMPLES = [
    Sealed(""),
    Sealed(REALM),
    Sealed(REALM, SCOPE, carrier=True),
    EXAMPLE,
    Sealed(REALM, SCOPE, text_tokens=(opaque(""), opaque("A"), opaque("AA=A"), opaque("_-8=")), earlier_call_tokens=(opaque("é"),)),
    Sealed(REALM, SCOPE, thoughts=(Thought("Because. " * 200, True, False, (opaque("AAEC"),), True), Thought())),
]


@pytest.mark.parametrize("sealed", EXAMPLES)
def test_opens_what_it_sealed(sealed: Sealed) -> None:
    text = SEALER.seal(sealed)
    assert is_seal(text)
    assert text.encode().startswith(SEAL_PREFIX)
    assert SEALER.open(text) == sealed
    assert SEALER.seal(sealed) == text


@given(token_lists, token_lists, words, st.booleans())
@settings(max_examples=100)
def test_any_state_survives_and_takes_the_sealed_realm(
    tokens: tuple[Opaque, ...], calls: tuple[Opaque, ...], text: str, flag: bool
) -> None:
    opened = SEALER.open(SEALER.seal(Sealed(REALM, SCOPE, tokens, calls, thoughts=(Thought(text, flag, tokens=tokens),))))
    ours = tuple(replace(x, realm=REALM, scope=SCOPE) for x in tokens)
    assert opened.tokens == opened.thoughts[0].tokens == ours
    assert [x.data for x in opened.call_tokens] == [x.data for x in calls]
    assert (opened.thoughts[0].text, opened.thoughts[0].summary) == (text, flag)


def test_every_field_of_a_token_survives() -> None:
    token = Opaque(**{name: f"{name} value" for name in Opaque.__struct_fields__})
    opened = SEALER.open(SEALER.seal(Sealed(REALM, SCOPE, (token,))))
    assert opened.tokens == (replace(token, realm=REALM, scope=SCOPE),)


@pytest.mark.parametrize("sealed", EXAMPLES)
def test_survives_what_clients_do_to_base64(sealed: Sealed) -> None:
    text = SEALER.seal(sealed)
    as_bytes = base64.b64decode(text)
    urlsafe = base64.urlsafe_b64encode(as_bytes).decode()
    assert base64.b64encode(as_bytes).decode() == text
    for variant in (urlsafe, urlsafe.rstrip("="), text.rstrip("=")):
        assert is_seal(variant)
        assert SEALER.open(variant) == sealed


def test_prefix_is_made_of_letters_and_survives_decoding() -> None:
    prefix = SEAL_PREFIX.decode()
    assert prefix.isascii()
    assert prefix.isalpha()
    assert len(prefix) % 4 == 0
    assert base64.b64encode(base64.b64decode(prefix)) == SEAL_PREFIX


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_base64_state_travels_as_bytes(encode: Callable[[bytes], bytes]) -> None:
    signature = encode(bytes(range(256)) * 4).decode()
    sealed = Sealed(REALM, SCOPE, (opaque(signature),))
    assert len(SEALER.seal(sealed)) < len(signature) * 1.15
    assert SEALER.open(SEALER.seal(sealed)) == sealed


def test_long_text_is_deflated() -> None:
    long = "The user wants a list of files. " * 100
    assert len(SEALER.seal(Sealed(REALM, thoughts=(Thought(long),)))) < len(long) / 4


@pytest.mark.parametrize("sealed", [EXAMPLE, EXAMPLES[-1]])
def test_any_changed_character_is_noticed(sealed: Sealed) -> None:
    text = SEALER.seal(sealed)
    raw = base64.b64decode(text)
    for i in range(len(raw)):
        forged = base64.b64encode(raw[:i] + bytes((raw[i] ^ 1,)) + raw[i + 1 :]).decode()
        with pytest.raises(BadSeal):
            SEALER.open(forged)


def test_every_cut_is_noticed() -> None:
    text = SEALER.seal(EXAMPLE)
    for end in range(len(text.rstrip("="))):
        with pytest.raises(BadSeal):
            SEALER.open(text[:end])


@pytest.mark.parametrize(
    "text", ["", "SEALEDSTATEOFTHISGATEWAY", "SEALEDSTATEOFTHISGATEWAY" * 9, "SEALEDSTATEOFTHISGATEWAY é", "SEALEDSTATEOFTHISGATEWAY\ud800", "ErUBCkYIBRgCIkA=", "SEALEDSTATEOFTHISGATEWAY!!", "A" * 99]
)
def test_what_is_no_seal_is_refused(text: str) -> None:
    with pytest.raises(BadSeal):
        SEALER.open(text)


@given(st.binary(max_size=80))
@settings(max_examples=200)
def test_random_bytes_behind_the_prefix_are_refused(data: bytes) -> None:
    with pytest.raises(BadSeal):
        SEALER.open(SEAL_PREFIX.decode() + base64.b64encode(data).decode())


def test_real_signatures_are_no_seals() -> None:
    assert not is_seal("EqQBCkYIChgCKkBzd2ZkMQ==")
    assert not is_seal("")


def test_keys_rotate() -> None:
    old, new = SealKey("2025", b"old"), SealKey("2026", b"new")
    text = Sealer([old]).seal(EXAMPLE)
    both = Sealer([new, old])
    assert both.open(text) == EXAMPLE
    assert both.seal(EXAMPLE) == Sealer([new]).seal(EXAMPLE)
    with pytest.raises(BadSeal, match="key this gateway does not have"):
        Sealer([new]).open(text)


def test_a_key_id_with_another_secret_is_a_forgery() -> None:
    with pytest.raises(BadSeal, match="not made by this gateway"):
        Sealer([SealKey("k1", b"another secret")]).open(SEALER.seal(EXAMPLE))


def test_a_coming_version_is_named() -> None:
    raw = bytearray(base64.b64decode(SEALER.seal(EXAMPLE))[:-16])
    raw[len(base64.b64decode(SEAL_PREFIX))] = 2
    text = base64.b64encode(bytes(raw) + hmac.digest(b"first secret", raw, "sha256")[:16]).decode()
    with pytest.raises(BadSeal, match="version 2"):
        SEALER.open(text)


def test_authentic_rubbish_is_named() -> None:
    for flags in (0, 1):
        raw = base64.b64decode(SEAL_PREFIX) + bytes((1, flags, 2)) + b"k1" + b"\xc1\xc1"
        text = base64.b64encode(raw + hmac.digest(b"first secret", raw, "sha256")[:16]).decode()
        with pytest.raises(BadSeal, match="not readable"):
            SEALER.open(text)


@pytest.mark.parametrize(
    "keys", [[], [SealKey("a", b"")], [SealKey("a", b"x"), SealKey("a", b"y")], [SealKey("k" * 256, b"x")]]
)
def test_unusable_keys_are_refused(keys: list[SealKey]) -> None:
    with pytest.raises(ValueError, match="key"):
        Sealer(keys)


def test_secrets_do_not_show() -> None:
    assert "first secret" not in repr(SealKey("k1", b"first secret"))


def test_is_quick() -> None:
    signature = base64.b64encode(bytes(range(256)) * 2).decode()
    sealed = Sealed(REALM, SCOPE, (opaque(signature),))
    start = time.perf_counter()
    for _ in range(200):
        SEALER.open(SEALER.seal(sealed))
    assert (time.perf_counter() - start) / 200 < 0.001
