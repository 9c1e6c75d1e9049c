"""Extends schemathesis by archives of customizations, links from Location, and identifiers of existing things."""

import io
import itertools
import json
import os
import tarfile
import uuid

import schemathesis
from hypothesis import strategies as st


def archive_of(path: str, content: bytes) -> bytes:
    """Returns a tar.gz that adds one file to an image."""
    member = tarfile.TarInfo(f"rootfs/opt/{path}")
    member.size = len(content)
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


ARCHIVES = st.builds(archive_of, st.from_regex(r"[a-z]{1,8}", fullmatch=True), st.binary(max_size=64))

schemathesis.openapi.media_type("application/gzip", ARCHIVES)


@schemathesis.hook
def before_load_schema(context, raw_schema):
    """Converts the extension in our links to schemathesis' expression for a part of a header; OpenAPI has no such expression."""
    for path in raw_schema["paths"].values():
        for operation in path.values():
            for response in operation["responses"].values():
                for link in response.get("links", {}).values():
                    made = link.pop("x-location-parameter", None)
                    if made is not None:
                        link["parameters"][made] = "$response.header.Location#regex:([^/]+)$"


with open(os.environ["THINGS_FILE"], encoding="utf-8") as file:
    THINGS = json.load(file)

# One of this many generated requests stays unchanged, to test unknown identifiers, stale entity tags and reused keys too.
LEFT_ALONE_EACH = 4
CALLS = {}
# Whether the request fits, by the id of the case. It is recorded before the request is changed: afterwards schemathesis would validate
# the request again, which fails for a form with a file.
FITTING = {}


def operation_id(case):
    return case.operation.definition.raw["operationId"]


def fits(case):
    """Returns whether the request fits the document. Requests of the stateful phase have identifiers from earlier answers."""
    return case.meta is not None and case.meta.generation.mode.is_positive and case.method == case.operation.method.upper()


def with_real_values(value, fields, call):
    """Returns the value with the fields of these names replaced, at any depth."""
    if isinstance(value, list):
        return [with_real_values(item, fields, call) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        name: real(held, fields[name], call) if name in fields else with_real_values(held, fields, call)
        for name, held in value.items()
    }


def real(held, value, call):
    """Returns the next value of a list of values at each call; a field that is a list gets one item."""
    one = value[call % len(value)] if isinstance(value, list) else value
    return [one] if isinstance(held, list) else one


@schemathesis.hook
def before_call(context, case, kwargs):
    """Puts identifiers of existing things into requests that fit the document, so that the server accepts their fields."""
    FITTING[case.id] = fits(case)
    if not FITTING[case.id] or case.meta.phase.name == "stateful" or case.media_type == "multipart/form-data":
        return
    operation = operation_id(case)
    call = next(CALLS.setdefault(operation, itertools.count()))
    if call % LEFT_ALONE_EACH == LEFT_ALONE_EACH - 1:
        return
    own = THINGS["operationFields"].get(operation, {})
    if case.path_parameters:
        case.path_parameters = with_real_values(dict(case.path_parameters), own, call)
    if case.query:
        case.query = with_real_values(dict(case.query), {**THINGS["fields"], **own}, call)
    if isinstance(case.body, dict):
        case.body = with_real_values(case.body, {**THINGS["fields"], **own}, call)
    headers = case.headers or {}
    if "If-Match" in headers:
        headers["If-Match"] = "*"
    if "Idempotency-Key" in headers:
        headers["Idempotency-Key"] = str(uuid.uuid4())


@schemathesis.hook
def after_call(context, case, response):
    """Records the operation, the status, and whether the request fits."""
    mode = "positive" if FITTING.pop(case.id, False) else "negative"
    with open(os.environ["ANSWERS_FILE"], "a", encoding="ascii") as answers:
        answers.write(f"{operation_id(case)} {response.status_code} {mode}\n")
