"""What the admin API can do, as a table: Starlette's routes and the OpenAPI description are both made from it."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from msgspec import Struct
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

Handler = Callable[["Call"], Awaitable[Response]]


class Call(Struct):
    """One request to the admin API, checked: path parameters, query, and body as their models."""

    request: Request
    admin: Any
    path: Mapping[str, str]
    query: Any = None
    body: Any = None


class NotFound(Exception):
    """There is no such thing; the message says what was looked for."""


class Operation(Struct, frozen=True, kw_only=True):
    """One thing it can do. `action` names it in the audit log; "" for what only reads."""

    method: str
    path: str
    summary: str
    handler: Handler
    query: type[BaseModel] | None = None
    body: type[BaseModel] | None = None
    action: str = ""
    status: int = 200


def openapi(operations: tuple[Operation, ...], version: str) -> dict[str, Any]:
    """The OpenAPI 3.1 description."""
    schemas: dict[str, Any] = {}
    paths: dict[str, Any] = {}
    for operation in operations:
        entry: dict[str, Any] = {
            "summary": operation.summary,
            "operationId": operation.handler.__name__,
            "parameters": [
                {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
                for name in (part[1:-1].partition(":")[0] for part in operation.path.split("/") if part.startswith("{"))
            ],
            "responses": {
                str(operation.status): {"description": "Done."},
                "400": {"description": "A field is wrong; `error.param` names it."},
                "401": {"description": "Not the admin key."},
                "503": {"description": "The store is away."},
            },
        }
        if operation.query is not None:
            described = operation.query.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas |= described.pop("$defs", {})
            entry["parameters"] += [
                {"name": name, "in": "query", "required": name in described.get("required", ()), "schema": schema}
                for name, schema in described["properties"].items()
            ]
        if operation.body is not None:
            described = operation.body.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas |= described.pop("$defs", {})
            schemas[operation.body.__name__] = described
            reference = {"$ref": f"#/components/schemas/{operation.body.__name__}"}
            entry["requestBody"] = {"required": True, "content": {"application/json": {"schema": reference}}}
        paths.setdefault("/admin/api" + operation.path.replace(":path}", "}"), {})[operation.method.lower()] = entry
    return {
        "openapi": "3.1.0",
        "info": {"title": "LLM API Converter: administration", "version": version},
        "security": [{"adminKey": []}],
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": {"adminKey": {"type": "http", "scheme": "bearer"}}},
    }
