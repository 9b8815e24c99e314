import pytest

from llm_api_converter.hub.estimate import AUDIO_BYTES_A_TOKEN, IMAGE_TOKENS, PAGE_TOKENS, estimate_input
from llm_api_converter.hub.messages import Inline, Media, Message, PartList, PlainText, Text, ToolResult, Url
from llm_api_converter.hub.request import Request

IMAGE = Media("image", Inline("A" * 40_000))


@pytest.mark.parametrize(
    ("part", "size", "tokens"),
    [
        (Text("hello"), 400, 100),
        (Text(""), 0, 1),
        (IMAGE, 40_400, 100 + IMAGE_TOKENS),
        (Media("image", Url("https://x")), 400, 100 + IMAGE_TOKENS),
        (Media("document", Inline("A" * 240_000)), 240_400, 100 + 3 * PAGE_TOKENS),
        (Media("document", Url("https://x")), 400, 100 + PAGE_TOKENS),
        (Media("document", PlainText("a" * 300)), 400, 100),
        (Media("audio", Inline("A" * 4000)), 4400, 100 + 3000 // AUDIO_BYTES_A_TOKEN),
        (ToolResult("c", (Text("x"), IMAGE, Media("document", PartList((Text("y"), IMAGE))))), 80_400, 100 + 2 * IMAGE_TOKENS),
    ],
)
def test_media_do_not_count_by_their_base64(part: object, size: int, tokens: int) -> None:
    request = Request("m", (Message("user", (part,)),))  # type: ignore[arg-type]
    assert estimate_input(request, size) == tokens
