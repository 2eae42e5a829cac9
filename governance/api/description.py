"""The OpenAPI description: what the operations say of themselves, and the problems that any of them can answer."""

from collections.abc import Mapping
from typing import Any

from ninja import NinjaAPI
from ninja.openapi.schema import OpenAPISchema
from ninja.operation import Operation

from governance.api.problems import TYPE

PROBLEM: Mapping[str, Any] = {
    "title": "Problem",
    "type": "object",
    "description": "What went wrong (RFC 9457).",
    "required": ["type", "title", "status", "code", "detail"],
    "properties": {
        "type": {"type": "string", "description": "urn:ringi:problem:<code>"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string", "description": "Stable: for programs."},
        "detail": {"type": "string", "description": "For people; follows Accept-Language (en, ja) where it can."},
        "reason": {"type": "string", "description": "Which rule refused; with 403."},
        "errors": {
            "type": "array",
            "description": "Which fields are not as they must be; with 422.",
            "items": {
                "type": "object",
                "required": ["field", "detail"],
                "properties": {"field": {"type": "string"}, "detail": {"type": "string"}},
            },
        },
        "found": {
            "type": "object",
            "description": "Personal data that were found: kind -> how often; with code personal_data.",
            "additionalProperties": {"type": "integer"},
        },
    },
}
ALWAYS = {
    "400": "The request is malformed.",
    "401": "No token, or one that is unknown, revoked or expired; no such account, or too many wrong attempts.",
    "403": "The caller may not do this; where it was to change something, that is recorded.",
    "503": "The ledger is busy: try again.",
}
ASKING = {"422": "A field is not as it must be."}
NAMING = {"404": "The ledger does not know this."}
CHANGING = {"409": "What is acted on is not in a state for it."}
SENDING = {
    "411": "A body without Content-Length.",
    "413": "The body is too large.",
    "415": "The body is of another media type.",
}
SUMMARY = """\
Programs read, submit contexts, generate, extend, erase and evaluate adapters with a service token
(`Authorization: Bearer ringi_...`). Decisions, deployments and administration are for people: a token that tries is
answered 403, and the attempt is recorded in the ledger. What a slot serves can be changed here by an administrator,
with address and password (`Authorization: Basic`) and the one-time code of their authenticator app, if they have one
(`X-Ringi-Code`)."""


class Api(NinjaAPI):
    """An API whose description names its problems."""

    def get_openapi_operation_id(self, operation: Operation) -> str:
        """The name of the function: clients are generated from it."""
        return str(operation.view_func.__name__)

    def get_openapi_schema(self, **more: Any) -> OpenAPISchema:  # noqa: ANN401  as the class above takes them
        """The description."""
        described = super().get_openapi_schema(**more)
        described["components"]["schemas"]["Problem"] = PROBLEM
        for address, operations in described["paths"].items():
            for method, operation in operations.items():
                operation["responses"] = _responses(address, method, operation)
        return described


def _responses(address: str, method: str, operation: Mapping[str, Any]) -> dict[str, Any]:
    known = {
        **ALWAYS,
        **(ASKING if operation["parameters"] or "requestBody" in operation else {}),
        **(NAMING if "{" in address or operation["operationId"] == "read_checkpoint" else {}),
        **(CHANGING if method == "post" else {}),
        **(SENDING if method == "post" else {}),
    }
    content = {TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    said = {str(status): stated for status, stated in operation["responses"].items()}
    return {**said, **{status: {"description": text, "content": content} for status, text in known.items()}}
