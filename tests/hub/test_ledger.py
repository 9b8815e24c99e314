import pytest

from llm_api_converter.hub.ledger import LOSS_CLASSES, Ledger, Loss, Policy, compact, unknown_extras


def test_each_action_is_recorded_in_order() -> None:
    ledger = Ledger()
    ledger.drop("a", "image", "content", "why")
    ledger.approximate("b", "effort", "tuning")
    ledger.emulate("c", "schema", "tuning")
    ledger.repair("d", "order", "content")
    assert ledger.losses == [
        Loss("a", "image", "dropped", "content", "why"),
        Loss("b", "effort", "approximated", "tuning"),
        Loss("c", "schema", "emulated", "tuning"),
        Loss("d", "order", "repaired", "content"),
    ]
    assert compact(ledger.losses)[0] == {"path": "a", "feature": "image", "action": "dropped", "class": "content"}


def test_a_repetition_is_recorded_once() -> None:
    ledger = Ledger()
    ledger.drop("a", "image", "content", "first")
    ledger.drop("a", "image", "content", "second")
    ledger.approximate("a", "image", "content")
    ledger.drop("b", "image", "content")
    assert [(x.path, x.action, x.detail) for x in ledger.losses] == [
        ("a", "dropped", "first"), ("a", "approximated", ""), ("b", "dropped", "")
    ]  # fmt: skip


def test_a_copy_is_a_ledger_of_its_own() -> None:
    ledger = Ledger()
    ledger.drop("a", "image", "content")
    twin = ledger.copy()
    twin.drop("a", "image", "content")
    twin.drop("b", "image", "content")
    assert [x.path for x in ledger.losses] == ["a"]
    assert [x.path for x in twin.losses] == ["a", "b"]


@pytest.mark.parametrize("loss_class", LOSS_CLASSES)
@pytest.mark.parametrize(
    ("policy", "action", "rejected", "reported"),
    [
        ("reject", "dropped", True, True),
        ("reject", "approximated", False, True),
        ("reject", "emulated", False, True),
        ("reject", "repaired", False, True),
        ("report", "dropped", False, True),
        ("allow", "dropped", False, False),
    ],
)
def test_policies(loss_class: str, policy: Policy, action: str, rejected: bool, reported: bool) -> None:
    ledger = Ledger()
    ledger.add("a", "x", action, loss_class)  # type: ignore[arg-type]
    rules = {loss_class: policy}
    assert bool(ledger.rejected(rules)) is rejected  # type: ignore[arg-type]
    assert bool(ledger.reported(rules)) is reported  # type: ignore[arg-type]


def test_what_no_policy_names_is_reported() -> None:
    ledger = Ledger()
    ledger.drop("a", "x", "cache")
    assert ledger.reported({}) == ledger.losses
    assert ledger.rejected({}) == []


def test_extras_are_for_their_own_protocol() -> None:
    ledger = Ledger()
    extras = {"alpha": {"k": 1}, "beta": {"l": 2, "m": None}}
    assert unknown_extras(extras, "alpha", "messages[0]", ledger) == {"k": 1}
    assert [(x.path, x.feature, x.loss_class) for x in ledger.losses] == [
        ("messages[0].l", "l", "unknown"), ("messages[0].m", "m", "unknown")
    ]  # fmt: skip


def test_a_field_that_names_content_kept_elsewhere_is_a_loss_of_content() -> None:
    ledger = Ledger()
    unknown_extras({"beta": {"cachedContent": "cachedContents/1", "l": 2}}, "alpha", "", ledger)
    assert [(x.path, x.loss_class) for x in ledger.losses] == [("cachedContent", "content"), ("l", "unknown")]
    assert [x.path for x in ledger.rejected({"content": "reject"})] == ["cachedContent"]


@pytest.mark.parametrize("extras", [None, {}])
def test_no_extras_are_no_loss(extras: dict[str, dict[str, int]] | None) -> None:
    ledger = Ledger()
    assert unknown_extras(extras, "alpha", "", ledger) == {}
    assert not ledger.losses


def test_extras_of_the_request_stand_at_the_top() -> None:
    ledger = Ledger()
    assert unknown_extras({"beta": {"l": 2}}, "alpha", "", ledger) == {}
    assert [x.path for x in ledger.losses] == ["l"]
