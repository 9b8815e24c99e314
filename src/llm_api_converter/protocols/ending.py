"""Why an answer ended, as far as a client's protocol has no word for it: the same report whichever protocol it is.

    finish          a reason sent as another one
    stop_sequence   which of the stop sequences matched
    stop_details    the upstream's explanation, of a refusal above all
"""

from msgspec import Struct

from ..hub.ledger import Ledger
from ..hub.response import Finish, FinishReason


class Words(Struct, frozen=True):
    """What a protocol can say: the reasons it has a word of its own for, and whether it has places for the other two."""

    exact: frozenset[FinishReason]
    stop_sequence: bool = False
    detail: bool = False


def report_ending(finish: Finish, sent: str, words: Words, ledger: Ledger) -> None:
    """What the client is not told. `sent` is the word it gets; an explanation of a plain ending explains nothing."""
    if finish.stop_sequence is not None and not words.stop_sequence:
        ledger.drop("stop_sequence", "stop_sequence", "tuning", "the protocol does not say which one matched")
    if finish.detail is not None and not words.detail and finish.reason not in ("stop", "tool_call"):
        ledger.drop("stop_details", "stop_details", "unknown", "the protocol has no place for an explanation")
    if finish.reason not in words.exact:
        ledger.approximate("finish", finish.reason, "unknown", f"sent as {sent}")
