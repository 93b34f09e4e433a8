"""Writes the shop's mail by the grammar of grammar.json: tickets of twelve intents, and reviews in pairs."""

import json
from pathlib import Path

grammar = json.loads((Path(__file__).parent / "grammar.json").read_text("utf-8"))
intents = list(grammar["intents"])


def ticket(rng, intent, lost=0.2):
    """A message of this intent; each word is lost with the chance `lost`."""
    if intent == "feedback":
        text = review_pair(rng)[rng.integers(2)][0]
    else:
        item = pick(rng, grammar["items"])[0]
        text = pick(rng, grammar["intents"][intent])[0].format(item=item)
    words = f"{pick(rng, grammar['openings'])} {text} {pick(rng, grammar['closings'])}".split()
    return " ".join(word for word in words if rng.random() >= lost) or text


def review_pair(rng):
    """Two reviews with the same words, and for each whether it is praise (1) or blame (0)."""
    r = grammar["reviews"]
    thing, good, bad = (pick(rng, r[kind]) for kind in ("things", "good", "bad"))
    few, more = (" ".join(rng.permutation(r["fillers"])[: rng.integers(1, 4)]) for _ in range(2))
    form, decides = pick(rng, r["forms"])
    made = []
    for first, second in ((good, bad), (bad, good)):
        text = form.format(thing=thing, few=few, more=more, first=first, second=second)
        made.append((text, int((first if decides == "first" else second) == good)))
    return made


def pick(rng, rows):
    """One of these, each with the same chance."""
    return rows[rng.integers(len(rows))]
