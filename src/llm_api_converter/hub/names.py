"""What a tool is called upstream, and what the client called it.

`adapt` fits tools to the target (names it would refuse, namespaces and custom tools it does not have) and keeps a map
upstream name -> `ToolName`; `restore` uses it to give the client's answer the client's own words back.
"""

from msgspec import Struct


class ToolName(Struct, frozen=True):
    """The client's own name of a tool. `custom`: its input is raw text, carried upstream as `{"input": "..."}`."""

    name: str
    namespace: str | None = None
    custom: bool = False
