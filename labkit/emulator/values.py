"""Values on their way between the wire and Python, each directed by its shape in botocore's model.

Owns the conversions of restJson1: a JSON value to a Python value and back, and the text of a path, query or header to
a Python value and back. Knows no operation and no constraint: a value that has the right type but breaks a rule is
`constraints`' affair. As at AWS, a wrong type is refused before any rule is looked at, an unknown member is ignored, a
null is an absent member, and a fraction where an integer belongs is cut off.

`shape` is always a botocore.model.Shape, which has no type annotations of its own.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any, TypeVar

from labkit.errors import SerializationFailed

EPOCH, ISO, HTTP_DATE = "unixTimestamp", "iso8601", "rfc822"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # AWS's parser, Jackson, passes over it
MOST_DIGITS = 1000
_BITS = {"integer": 31, "long": 63}
_INTEGER = re.compile(r"[+-]?[0-9]+")
_T = TypeVar("_T")
_TOKEN = re.compile(r"[A-Za-z_$][\w$]*")


class NotJson(ValueError):
    """Bytes that are no JSON document; the text says why, in the manner of the parser that AWS uses."""


def read_document(body: bytes) -> Any:
    """The JSON document in `body`. Raises NotJson."""
    try:
        text = body.removeprefix(BYTE_ORDER_MARK).decode("utf-8")
    except UnicodeDecodeError as e:
        raise NotJson(f"Invalid UTF-8 start byte 0x{body[e.start]:02x}") from None
    try:
        return json.loads(text, parse_constant=_refuse_constant, parse_int=_whole_number)
    except json.JSONDecodeError as e:
        raise NotJson(_why_no_json(e)) from None
    except RecursionError:
        raise NotJson("Document nesting depth exceeds the maximum allowed") from None
    except ValueError as e:
        raise NotJson(str(e)) from None


def _whole_number(digits: str) -> int | float:
    """JSON has no largest number. Python reads 4,300 digits, and nothing here needs more than a Java long."""
    return int(digits) if len(digits) <= MOST_DIGITS else math.copysign(math.inf, -1 if digits[0] == "-" else 1)


def _refuse_constant(name: str) -> Any:
    raise NotJson(f"Non-standard token '{name}': the JSON standard has no such number")


def _why_no_json(error: json.JSONDecodeError) -> str:
    rest = error.doc[error.pos :]
    where = f"\n at [Source: (byte[]); line: {error.lineno}, column: {error.colno}]"
    if not rest.strip():
        return f"Unexpected end-of-input: {_lower_first(error.msg)}{where}"
    if token := _TOKEN.match(rest):
        expected = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')"
        return f"Unrecognized token '{token[0]}': was expecting {expected}{where}"
    return f"Unexpected character ('{rest[0]}' (code {ord(rest[0])})): {_lower_first(error.msg)}{where}"


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]


# --- JSON to Python -----------------------------------------------------------------------------------------


def from_json(shape: Any, value: Any) -> Any:
    """The Python value of a JSON value that is not null. Raises SerializationFailed for a wrong type."""
    return _FROM_JSON[shape.type_name](shape, value)


def _structure_from_json(shape: Any, value: Any) -> dict[str, Any]:
    return members_from_json(shape.members, expect_structure(value))


def expect_structure(value: Any) -> dict[str, Any]:
    """The value, if it is a JSON object. Raises SerializationFailed in AWS's odd words if it is not."""
    return _expect(value, dict, "Expected null")


def members_from_json(members: Any, document: dict[str, Any]) -> dict[str, Any]:
    """The given members of a structure, as far as the document has them."""
    found = {name: document.get(json_name(name, member)) for name, member in members.items()}
    return {name: from_json(members[name], value) for name, value in found.items() if value is not None}


def _list_from_json(shape: Any, value: Any) -> list[Any]:
    items = _expect(value, list, "Expected list or null")
    return [from_json(shape.member, item) for item in items if item is not None]


def _map_from_json(shape: Any, value: Any) -> dict[str, Any]:
    entries = _expect(value, dict, "Expected map or null")
    return {_well_formed(key): from_json(shape.value, item) for key, item in entries.items() if item is not None}


def _string_from_json(shape: Any, value: Any) -> str:
    if not isinstance(value, str):
        raise _mismatch(value, "a String")
    return _well_formed(value)


def _well_formed(text: str) -> str:
    """Half a surrogate pair, which JSON can escape, is no character: a `?`, as where Java writes UTF-8."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _integer_from_json(shape: Any, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _mismatch(value, _java_type(shape))
    if not -(1 << _BITS[shape.type_name]) <= value < 1 << _BITS[shape.type_name]:
        raise _mismatch(value, _java_type(shape))
    return int(value)


def _float_from_json(shape: Any, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _mismatch(value, _java_type(shape))
    try:
        return float(value)
    except OverflowError:
        raise _mismatch(value, _java_type(shape)) from None


def _boolean_from_json(shape: Any, value: Any) -> bool:
    if not isinstance(value, bool):
        raise _mismatch(value, "a Boolean")
    return value


def _blob_from_json(shape: Any, value: Any) -> bytes:
    if not isinstance(value, str):
        raise _mismatch(value, "a Blob")
    if len(value) % 4:
        raise SerializationFailed(f"Base64 encoded length is expected a multiple of 4 bytes but found: {len(value)}")
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise SerializationFailed("Invalid Base64 character detected") from None


def _timestamp_from_json(shape: Any, value: Any) -> datetime:
    form = shape.serialization.get("timestampFormat", EPOCH)
    if isinstance(value, str) and form != EPOCH:
        return _timestamp_from_text(value, form)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _mismatch(value, "milliseconds since epoch")
    return _timestamp_from_epoch(value)


def _timestamp_from_epoch(value: float) -> datetime:
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        raise SerializationFailed(f"{value} can not be converted to milliseconds since epoch") from None


_FROM_JSON: dict[str, Callable[[Any, Any], Any]] = {
    "structure": _structure_from_json,
    "list": _list_from_json,
    "map": _map_from_json,
    "string": _string_from_json,
    "character": _string_from_json,
    "integer": _integer_from_json,
    "long": _integer_from_json,
    "float": _float_from_json,
    "double": _float_from_json,
    "boolean": _boolean_from_json,
    "blob": _blob_from_json,
    "timestamp": _timestamp_from_json,
}


def _expect(value: Any, kind: type[_T], otherwise: str) -> _T:
    if isinstance(value, kind):
        return value
    if isinstance(value, dict | list):
        raise _mismatch(value, "")
    raise SerializationFailed(otherwise)


def _mismatch(value: Any, wanted: str) -> SerializationFailed:
    if isinstance(value, list):
        return SerializationFailed("Start of list found where not expected")
    if isinstance(value, dict):
        return SerializationFailed("Start of structure or map found where not expected.")
    return SerializationFailed(f"{_token(value)} can not be converted to {wanted}")


def _token(value: Any) -> str:
    if isinstance(value, bool):
        return "TRUE_VALUE" if value else "FALSE_VALUE"
    return "STRING_VALUE" if isinstance(value, str) else "NUMBER_VALUE"


def _java_type(shape: Any) -> str:
    return f"an {shape.type_name.title()}" if shape.type_name == "integer" else f"a {shape.type_name.title()}"


# --- Python to JSON -----------------------------------------------------------------------------------------


def to_json(shape: Any, value: Any) -> Any:
    """What `json.dumps` needs for a value that is not None."""
    convert = _TO_JSON.get(shape.type_name)
    return convert(shape, value) if convert else value


def members_to_json(members: Any, values: Any) -> dict[str, Any]:
    """The given members of a structure that have a value; None is an absent member."""
    present = {name: values[name] for name in members if values.get(name) is not None}
    return {json_name(name, members[name]): to_json(members[name], value) for name, value in present.items()}


def json_name(name: str, member: Any) -> str:
    """What a member is called in a JSON document."""
    return str(member.serialization.get("name", name))


def _structure_to_json(shape: Any, value: Any) -> dict[str, Any]:
    return members_to_json(shape.members, value)


def _list_to_json(shape: Any, value: Any) -> list[Any]:
    return [to_json(shape.member, item) for item in value if item is not None]


def _map_to_json(shape: Any, value: Any) -> dict[str, Any]:
    return {key: to_json(shape.value, item) for key, item in value.items() if item is not None}


def _blob_to_json(shape: Any, value: bytes | str) -> str:
    return base64.b64encode(as_bytes(value)).decode("ascii")


def _timestamp_to_json(shape: Any, value: datetime | float) -> float | str:
    form = shape.serialization.get("timestampFormat", EPOCH)
    return _timestamp_to_text(value, form) if form != EPOCH else _epoch(value)


_TO_JSON: dict[str, Callable[[Any, Any], Any]] = {
    "structure": _structure_to_json,
    "list": _list_to_json,
    "map": _map_to_json,
    "blob": _blob_to_json,
    "timestamp": _timestamp_to_json,
}


def as_bytes(value: bytes | str) -> bytes:
    """A blob's bytes; text is UTF-8."""
    return value.encode("utf-8") if isinstance(value, str) else bytes(value)


# --- the text of a path, a query or a header ----------------------------------------------------------------


def from_text(shape: Any, text: str, default_time: str) -> Any:
    """The Python value of a text; times are in `default_time` unless the shape says otherwise.

    Raises SerializationFailed for a text that is none of the shape's.
    """
    if shape.type_name in ("integer", "long"):
        return _integer_from_text(shape, text)
    if shape.type_name in ("float", "double"):
        return _float_from_text(shape, text)
    if shape.type_name == "boolean":
        return _boolean_from_text(text)
    if shape.type_name == "timestamp":
        return _timestamp_from_text(text, shape.serialization.get("timestampFormat", default_time))
    return text


def _integer_from_text(shape: Any, text: str) -> int:
    # 18 digits are a Java long; longer ones would only reach Python's own limit on digits.
    if not _INTEGER.fullmatch(text) or len(text) > 19:
        raise _mismatch(text, _java_type(shape))
    return int(text)


def _float_from_text(shape: Any, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise _mismatch(text, _java_type(shape)) from None


def _boolean_from_text(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise _mismatch(text, "a Boolean")
    return text.lower() == "true"


def _timestamp_from_text(text: str, form: str) -> datetime:
    try:
        if form == EPOCH:
            return _timestamp_from_epoch(float(text))
        at = parsedate_to_datetime(text) if form == HTTP_DATE else datetime.fromisoformat(text)
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise SerializationFailed(f"{text} can not be converted to a timestamp") from None


def to_text(shape: Any, value: Any, default_time: str = HTTP_DATE) -> str:
    """A header's text of a Python value."""
    if shape.type_name == "timestamp":
        return _timestamp_to_text(value, shape.serialization.get("timestampFormat", default_time))
    if shape.type_name == "boolean":
        return "true" if value else "false"
    return str(value)


def _timestamp_to_text(value: datetime | float, form: str) -> str:
    if form == EPOCH:
        return str(_epoch(value))
    at = value if isinstance(value, datetime) else datetime.fromtimestamp(value, UTC)
    at = at.astimezone(UTC)
    return format_datetime(at, usegmt=True) if form == HTTP_DATE else at.isoformat().replace("+00:00", "Z")


def _epoch(value: datetime | float) -> float:
    """Seconds with AWS's precision, a millisecond; a whole number of seconds stays whole."""
    seconds = round(value.timestamp() if isinstance(value, datetime) else value, 3)
    return int(seconds) if seconds == int(seconds) else seconds
