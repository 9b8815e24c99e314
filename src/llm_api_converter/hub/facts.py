"""Facts: what a target can do and how it wants things said, as data.

One frozen struct; the values come in layers from `providers/catalog.yaml` and the settings (protocol, provider, model pattern,
deployment; later wins). The defaults here say: "a capable, permissive target". Code asks a fact, never a vendor or model name.
"""

from typing import Literal

from msgspec import Struct, field


class Facts(Struct, frozen=True, kw_only=True):
    """Every capability and quirk. The comment above a field says what its values mean."""

    # ------------------------------------------------------------------ turns
    # May a system message stand in the middle of the conversation? False: it is hoisted or put into a user turn.
    system_inline: bool = True
    # The role word for system text in OpenAI's protocols: `system`, or `developer` for models that want it.
    system_role: Literal["system", "developer", "keep"] = "keep"
    # Must user and assistant turns alternate (neighbours are merged)?
    roles_alternate: bool = False
    # Must the conversation begin with a user turn?
    first_role_user: bool = False
    # May the conversation end with an assistant turn that the model goes on writing?
    prefill: bool = True
    # Are blank (white space only) text parts accepted?
    blank_text: bool = True

    # ------------------------------------------------------------------ media
    accepts_images: bool = True
    accepts_documents: bool = True
    accepts_audio: bool = False
    accepts_video: bool = False
    # May media be given as http(s) URLs the provider fetches? False: it cannot be sent (content loss).
    image_urls: bool = True
    document_urls: bool = False
    # Accepted MIME types; empty: any.
    image_types: tuple[str, ...] = ()
    document_types: tuple[str, ...] = ()
    # Protocols besides the target's own whose file ids it takes.
    file_realms: tuple[str, ...] = ()
    # Where media in a tool result may go: `native` inside the result, `none`: it moves to the user turn after the results.
    tool_result_media: Literal["native", "none"] = "native"
    # Schemes or prefixes of URLs the provider itself can read (gs://, s3://), besides http(s).
    native_url_prefixes: tuple[str, ...] = ()

    # ------------------------------------------------------------------ tools
    accepts_tools: bool = True
    # Freeform (custom) tools, namespaces of tools, deferred tools with tool search.
    custom_tools: bool = False
    namespaces: bool = False
    deferred_tools: bool = False
    # May tools be declared by an item of the conversation, for what comes after it?
    late_tools: bool = False
    # Does a tool definition take `strict`?
    strict_tools: bool = True
    # Full-match patterns for names and call ids; "" = anything.
    tool_name_pattern: str = "[a-zA-Z0-9_-]{1,64}"
    tool_id_pattern: str = ""
    max_tools: int | None = None
    tool_choice_none: bool = True
    tool_choice_any: bool = True
    tool_choice_one: bool = True
    # May a choice be limited to a list of names?
    tool_choice_allowed: bool = False
    # Is a forced choice (any, one) allowed while reasoning is on?
    forced_choice_with_reasoning: bool = True
    # Can parallel calls be turned off?
    parallel_control: bool = True
    # Must tools be declared whenever the history holds calls or results?
    tools_required_by_history: bool = False
    # Must all results of one turn's calls stand together, in the order of the calls?
    results_in_call_order: bool = False
    # `full` JSON schema; `openapi` Gemini's `Schema` subset; `strict_objects`: structured output needs additionalProperties false.
    schema_dialect: Literal["full", "openapi", "strict_objects"] = "full"
    # Provider-run tools the target has: neutral kind -> the declaration to send (JSON object in the target's own language).
    provider_tools: dict[str, dict[str, object]] = {}
    # Neutral kinds of such tools whose calls and results it takes in the history although another provider ran them.
    foreign_runs: tuple[str, ...] = ()

    # ------------------------------------------------------------------ reasoning
    # How reasoning is asked for: `none` the model does not reason on demand; `effort` words; `budget` token counts;
    # `adaptive` on/off with effort beside it; `level` Gemini's levels; `toggle` on/off only.
    reasoning_input: Literal["none", "effort", "budget", "adaptive", "level", "toggle"] = "effort"
    # Accepted effort or level words, in rising order; empty: every word of `request.EFFORTS`.
    reasoning_levels: tuple[str, ...] = ()
    reasoning_budget_min: int | None = None
    reasoning_budget_max: int | None = None
    # Does the model reason when nothing is asked? May it be turned off?
    reasoning_default_on: bool = False
    reasoning_can_disable: bool = True
    # Chat only: the field reasoning text stands in.
    reasoning_field: str = "reasoning_content"
    # Chat only: is reasoning switched by `thinking: {"type": "enabled" | "disabled"}`, beside the effort word (DeepSeek, GLM, Kimi)?
    thinking_switch: bool = False
    # Does the upstream want reasoning of earlier turns back? never; on turns that hold tool calls; always.
    sends_reasoning_back: Literal["never", "tool_turns", "always"] = "never"
    # Is reasoning without an accepted token legal in history (DeepSeek: yes, Claude: no)?
    reasoning_unsigned: bool = False
    # Is a turn with tool calls refused, while reasoning is on, unless its reasoning stands before it?
    reasoning_required_on_tool_turns: bool = False
    # Must the first call of every step of the current turn carry the issuer's signature (Gemini 3)? True: a call whose signature is
    # lost is marked as having none.
    signature_required_on_calls: bool = False
    # Realms whose opaque tokens this target accepts, and the realm of those it issues ("" = issues none).
    accepts_realms: tuple[str, ...] = ()
    realm: str = ""
    # Can only the credential that state was issued to give it back (OpenAI: the organisation)? True: what another one was given is dropped.
    state_bound_to_credential: bool = False

    # ------------------------------------------------------------------ sampling and limits
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_completion_tokens"
    # Sent when the client gave none and the protocol demands one.
    max_tokens_default: int | None = None
    max_output_tokens: int | None = None
    min_output_tokens: int | None = None
    context_window: int | None = None
    # Which fields of `Sampling` the target accepts.
    sampling: tuple[str, ...] = (
        "temperature", "top_p", "top_k", "seed", "stop", "frequency_penalty", "presence_penalty",
    )
    # Which of those it accepts while reasoning is on; None: the same.
    sampling_with_reasoning: tuple[str, ...] | None = None
    temperature_max: float = 2.0
    # Are temperature and top_p together refused (top_p is dropped)?
    temperature_xor_top_p: bool = False
    stop_limit: int | None = None
    # Are stop sequences of white space only refused?
    stop_blank: bool = True

    # ------------------------------------------------------------------ output
    output_formats: tuple[str, ...] = ("json", "schema")
    # How a wanted schema is met where `schema` is not in `output_formats`: a forced tool, or words in the system text.
    output_emulation: Literal["tool", "prompt"] = "prompt"
    audio_out: bool = False
    image_out: bool = False
    # Chat only: send `stream_options.include_usage`.
    usage_in_stream: bool = True
    verbosity: bool = False
    service_tiers: tuple[str, ...] | None = None
    accepts_user: bool = True
    accepts_metadata: bool = False
    accepts_store: bool = False
    # Does the provider keep answers unless told not to?
    stores: bool = False
    # Does a key in the body lead a conversation to the cache that holds it?
    cache_key: bool = False
    # The header that does so instead, by leading it to the server that holds it; "": there is none.
    cache_key_header: str = ""
    # How many cache marks are taken (0: none), and which lifetimes in seconds (the first is the default).
    cache_marks: int = 0
    cache_ttls_s: tuple[int, ...] = (300,)
    # Is nothing cached without marks? True: a conversation whose client set none gets some.
    cache_needs_marks: bool = False

    # ------------------------------------------------------------------ wire
    # Beta flags the target accepts; None: all. A body field is kept only while one of its flags is (`beta_fields`: field -> flags).
    beta_flags: tuple[str, ...] | None = None
    beta_fields: dict[str, tuple[str, ...]] = {}
    # Top-level fields of the target's own protocol that it refuses: removed and reported.
    refused_fields: tuple[str, ...] = ()
    # Does the target stream at all?
    streams: bool = True
    # Does counting tokens take the request inside `generateContentRequest` (Gemini API), or flat (Vertex)?
    count_request_wrapped: bool = True

    # ------------------------------------------------------------------ Converse
    # Where reasoning is asked for, inside `additionalModelRequestFields`: `thinking` or `reasoning_config` (an object with a budget,
    # or, for `effort` targets, `reasoning_config` as a word), `reasoning_effort` (a word), `reasoningConfig` ({type, maxReasoningEffort});
    # or `outputConfig`: the word in Converse's own `outputConfig.effort`. "": `thinking` for budget, adaptive and toggle targets,
    # else `reasoning_effort`.
    reasoning_field_converse: Literal["", "thinking", "reasoning_config", "reasoning_effort", "reasoningConfig", "outputConfig"] = ""
    # Sampling fields Converse itself has not -> their place inside `additionalModelRequestFields` (dots step into objects).
    sampling_fields_converse: dict[str, str] = field(default_factory=lambda: {"top_k": "top_k"})
    # The field of `additionalModelRequestFields` that takes beta flags; "": the model has none, flags of other protocols are dropped.
    beta_field_converse: str = ""
