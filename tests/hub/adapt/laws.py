"""What holds of any adapted request: `broken(request, facts)` lists the rules of the facts it still breaks."""

import re
from itertools import pairwise

from llm_api_converter.hub.facts import Facts
from llm_api_converter.hub.messages import Media, Message, Part, Reasoning, Text, ToolCall, ToolReference, ToolResult, Url
from llm_api_converter.hub.request import EFFORTS, ProviderTool, Request, Sampling, Tool


def broken(request: Request, facts: Facts) -> list[str]:
    """Names of the rules broken; written apart from the steps on purpose."""
    return [
        *_turns(request, facts),
        *_pairs(request, facts),
        *_tools(request, facts),
        *_state(request, facts),
        *_reasoning(request, facts),
        *_limits(request, facts),
        *_media(request, facts),
        *_options(request, facts),
    ]


def everywhere(request: Request) -> list[tuple[Message, Part]]:
    """Every part, those inside results too."""
    found: list[tuple[Message, Part]] = []
    for message in request.messages:
        for part in message.parts:
            found.append((message, part))
            if isinstance(part, ToolResult):
                found.extend((message, inner) for inner in part.parts)
    return found


def calls(request: Request) -> list[ToolCall]:
    return [part for _, part in everywhere(request) if isinstance(part, ToolCall) and part.runs == "client"]


def results(request: Request) -> list[ToolResult]:
    return [part for _, part in everywhere(request) if isinstance(part, ToolResult) and part.runs == "client"]


def _turns(request: Request, facts: Facts) -> list[str]:
    found = []
    roles = [message.role for message in request.messages]
    turns = [role for role in roles if role != "system"]
    lead = next((index for index, role in enumerate(roles) if role != "system"), len(roles))
    if not facts.system_inline and "system" in roles[lead:]:
        found.append("system_inline")
    if facts.roles_alternate and any(a == b != "system" for a, b in pairwise(roles)):
        found.append("roles_alternate")
    if facts.first_role_user and turns[:1] != ["user"]:
        found.append("first_role_user")
    if not facts.prefill and roles[-1:] == ["assistant"] and not any(
        isinstance(part, ToolCall | ToolResult) and part.runs == "provider" for part in request.messages[-1].parts
    ):
        found.append("prefill")
    if not facts.blank_text:
        if any(isinstance(part, Text) and not part.text.strip() for _, part in everywhere(request)):
            found.append("blank_text")
        if not all(message.parts for message in request.messages):
            found.append("empty message")
    return found


def _pairs(request: Request, facts: Facts) -> list[str]:
    """Every call answered once, right after it; results first in what follows."""
    found = []
    ids = [call.id for call in calls(request)]
    if len(set(ids)) != len(ids):
        found.append("call ids unique")
    waiting: list[str] = []
    behind = False
    for message in request.messages:
        for part in message.parts:
            if isinstance(part, ToolCall) and part.runs == "client":
                if behind and waiting:
                    found.append("unanswered call")
                waiting.append(part.id)
                behind = False
            elif isinstance(part, ToolResult) and part.runs == "client":
                if part.call_id not in waiting:
                    found.append("orphan result")
                    continue
                if behind:
                    found.append("result behind something")
                if facts.results_in_call_order and waiting[0] != part.call_id:
                    found.append("results_in_call_order")
                waiting.remove(part.call_id)
            elif message.role != "assistant":
                behind = True
    if waiting:
        found.append("unanswered call at the end")
    return found


def _tools(request: Request, facts: Facts) -> list[str]:
    found = []
    declared = [tool for tool in request.tools if isinstance(tool, Tool)]
    if not facts.accepts_tools and (request.tools or calls(request) or results(request) or request.tool_choice):
        found.append("accepts_tools")
    names = [tool.name for tool in declared] + [call.name for call in calls(request)]
    if facts.tool_name_pattern and not all(re.fullmatch(facts.tool_name_pattern, name) for name in names):
        found.append("tool_name_pattern")
    ids = [call.id for call in calls(request)] + [result.call_id for result in results(request)]
    if facts.tool_id_pattern and not all(re.fullmatch(facts.tool_id_pattern, id_) for id_ in ids):
        found.append("tool_id_pattern")
    keys = [(tool.namespace, tool.name, tool.deferred) for tool in declared]
    if len(set(keys)) != len(keys):
        found.append("declared twice")
    raw = [tool.custom for tool in declared] + [call.custom for call in calls(request)] + [result.custom for result in results(request)]
    if not facts.custom_tools and any(raw):
        found.append("custom_tools")
    spaces = [tool.namespace for tool in declared] + [call.namespace for call in calls(request)]
    if not facts.namespaces and any(space is not None for space in spaces):
        found.append("namespaces")
    if not facts.deferred_tools and (
        any(tool.deferred for tool in declared) or any(isinstance(part, ToolReference) for _, part in everywhere(request))
    ):
        found.append("deferred_tools")
    if not facts.strict_tools and any(tool.strict is not None for tool in declared):
        found.append("strict_tools")
    if facts.tools_required_by_history and calls(request) and not request.tools:
        found.append("tools_required_by_history")
    return found + _choice(request, facts)


def _choice(request: Request, facts: Facts) -> list[str]:
    found = []
    choice = request.tool_choice
    if request.parallel_tools is not None and (not facts.parallel_control or not request.tools):
        found.append("parallel_control")
    if choice is None:
        return found
    if not request.tools:
        found.append("choice without tools")
    if not {"auto": True, "none": facts.tool_choice_none, "any": facts.tool_choice_any, "one": facts.tool_choice_one}[choice.mode]:
        found.append(f"tool_choice_{choice.mode}")
    if choice.allowed and choice.mode != "none" and not facts.tool_choice_allowed:
        found.append("tool_choice_allowed")
    known = {tool.name for tool in request.tools} | {tool.kind for tool in request.tools if isinstance(tool, ProviderTool)}
    if choice.mode == "one" and choice.name not in known:
        found.append("choice of no tool")
    if choice.mode in ("any", "one") and not facts.forced_choice_with_reasoning and on(request, facts):
        found.append("forced_choice_with_reasoning")
    return found


def on(request: Request, facts: Facts) -> bool:
    ask = request.reasoning
    if ask is None or (ask.mode is None and ask.effort is None and ask.budget_tokens is None):
        return facts.reasoning_default_on
    return ask.mode != "off"


def _state(request: Request, facts: Facts) -> list[str]:
    found = []
    for _, part in everywhere(request):
        tokens = getattr(part, "tokens", ())
        if any(token.realm not in facts.accepts_realms for token in tokens):
            found.append("accepts_realms")
        if isinstance(part, Reasoning) and not tokens and (not facts.reasoning_unsigned or facts.sends_reasoning_back == "never"):
            found.append("reasoning without a token")
    return found


def _reasoning(request: Request, facts: Facts) -> list[str]:
    ask = request.reasoning
    if ask is None or (ask.mode is None and ask.effort is None and ask.budget_tokens is None):
        return []
    shape = facts.reasoning_input
    if shape == "none":
        return ["reasoning_input none"]
    found = []
    if ask.mode == "off":
        if not facts.reasoning_can_disable:
            found.append("reasoning_can_disable")
        if ask.budget_tokens or ask.effort not in (None, "none"):
            found.append("off and how much")
        return found
    if shape in ("effort", "level") and ask.effort is None:
        found.append("effort missing")
    if shape in ("effort", "level", "adaptive") and (
        ask.budget_tokens is not None or (ask.effort is not None and ask.effort not in (facts.reasoning_levels or EFFORTS))
    ):
        found.append("effort word")
    if shape == "budget":
        least, most = facts.reasoning_budget_min or 0, facts.reasoning_budget_max or 1 << 40
        if ask.budget_tokens is None or ask.effort is not None or not least <= ask.budget_tokens <= most:
            found.append("budget")
        elif request.max_tokens is not None and ask.budget_tokens >= request.max_tokens:
            found.append("budget below max_tokens")
    if shape == "toggle" and (ask.effort is not None or ask.budget_tokens is not None):
        found.append("toggle")
    return found


def _limits(request: Request, facts: Facts) -> list[str]:
    found = []
    if facts.max_tokens_default is not None and request.max_tokens is None:
        found.append("max_tokens_default")
    if request.max_tokens is not None:
        if facts.max_output_tokens is not None and request.max_tokens > facts.max_output_tokens:
            found.append("max_output_tokens")
        if facts.min_output_tokens is not None and request.max_tokens < facts.min_output_tokens:
            found.append("min_output_tokens")
    sampling = request.sampling
    taken = set(facts.sampling)
    if facts.sampling_with_reasoning is not None and on(request, facts):
        taken &= set(facts.sampling_with_reasoning)
    found += [field for field in Sampling.__struct_fields__ if getattr(sampling, field) not in (None, ()) and field not in taken]
    if sampling.temperature is not None and sampling.temperature > facts.temperature_max:
        found.append("temperature_max")
    if facts.temperature_xor_top_p and sampling.temperature is not None and sampling.top_p is not None:
        found.append("temperature_xor_top_p")
    if facts.stop_limit is not None and len(sampling.stop) > facts.stop_limit:
        found.append("stop_limit")
    if not facts.stop_blank and not all(word.strip() for word in sampling.stop):
        found.append("stop_blank")
    return found


def _media(request: Request, facts: Facts) -> list[str]:
    found = []
    for message in request.messages:
        for part in message.parts:
            inner = part.parts if isinstance(part, ToolResult) else (part,)
            media = [x for x in inner if isinstance(x, Media)]
            if media and isinstance(part, ToolResult) and part.runs == "client" and facts.tool_result_media == "none":
                found.append("tool_result_media")
            for item in media:
                if not getattr(facts, f"accepts_{item.kind}s" if item.kind in ("image", "document") else f"accepts_{item.kind}"):
                    found.append(f"accepts {item.kind}")
                if isinstance(item.source, Url) and not (facts.image_urls if item.kind == "image" else facts.document_urls):
                    found.append("urls")
    return found


def _options(request: Request, facts: Facts) -> list[str]:
    found = []
    output = request.output
    if output is not None and output.kind != "text" and output.kind not in facts.output_formats:
        found.append("output_formats")
    fields = {"verbosity": "verbosity", "cache_key": "cache_key"} | {x: f"accepts_{x}" for x in ("user", "metadata", "store")}
    found += [field for field, fact in fields.items() if getattr(request, field) is not None and not getattr(facts, fact)]
    marks = [tool.cache for tool in request.tools] + [getattr(part, "cache", None) for _, part in everywhere(request)] + [request.cache]
    held = [mark for mark in marks if mark is not None]
    if len(held) > facts.cache_marks:
        found.append("cache_marks")
    if any(mark.ttl_s is not None and mark.ttl_s not in facts.cache_ttls_s for mark in held):
        found.append("cache_ttls_s")
    if not facts.audio_out and (request.audio is not None or "audio" in request.modalities):
        found.append("audio_out")
    if not facts.image_out and "image" in request.modalities:
        found.append("image_out")
    return found
