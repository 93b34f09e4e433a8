"""Nothing but the way there and back."""


def handler(event, context):
    return event
