"""What all functions of the chat share: reading a request, and refusing one in words that help its sender."""

import base64
import functools
import json

MOST_TEXTS, MOST_LETTERS = 100, 500


class Refused(Exception):
    """Raised for a request that cannot be answered; its text is for the sender."""

    def __init__(self, reason, status=400):
        super().__init__(reason)
        self.status = status


def asked(event):
    """The JSON that was sent: the event itself or, behind a URL, the body of the HTTP request."""
    if isinstance(event, dict) and "body" in event:
        try:
            coded = event.get("isBase64Encoded")
            event = json.loads(base64.b64decode(event["body"]) if coded else event["body"])
        except (TypeError, ValueError, RecursionError):
            raise Refused('the body is not JSON; send {"text": "where is my parcel"}') from None
    if not isinstance(event, dict):
        raise Refused(f'found {type(event).__name__}, expected an object: {{"text": "where is my parcel"}}')
    return event


def texts(event):
    """The one `text` or the batch `texts` of a request, each a sentence."""
    request = asked(event)
    found = request["texts"] if "texts" in request else [request.get("text")]
    if not isinstance(found, list) or not 0 < len(found) <= MOST_TEXTS:
        raise Refused(f"`texts` should be a list of 1 to {MOST_TEXTS} sentences")
    for text in found:
        if not isinstance(text, str) or not text.strip():
            raise Refused(f"a text is {json.dumps(text)[:40]}; expected a sentence in quotes")
        if len(text) > MOST_LETTERS:
            raise Refused(f"a text has {len(text)} letters; at most {MOST_LETTERS} are read")
    return found


def words_of(text):
    """The words of a text in lower case; a comma is a word."""
    return text.lower().replace(",", " , ").split()


def polite(handler):
    """The handler, with status 200 for what it returns and 400, or its own, for what it refuses."""

    @functools.wraps(handler)
    def answered(event, context):
        try:
            status, value = 200, handler(event, context)
        except Refused as reason:
            status, value = reason.status, {"error": str(reason)}
        headers = {"Content-Type": "application/json"}
        return {"statusCode": status, "headers": headers, "body": json.dumps(value, ensure_ascii=False)}

    return answered
