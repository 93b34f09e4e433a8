"""The exercises of lesson 09. Nothing here compares with a text: gradients, reference layers and real calls decide."""

# ruff: noqa: N803, N806 - W, V and C are matrices, in the lesson's formulas and here

import itertools
import json

import numpy as np
import requests

from labkit.lesson.exercises import Exercises, names_used, reject, require
from labkit.numerics import layers

exercises = Exercises()

exercises.explain("bag", words=8)

exercises.answer(
    "perplexity",
    wrong={
        "4.5": "4.5 is the ordinary mean of 2, 4, 4 and 8. Perplexity is the geometric mean: multiply, then the root.",
        "256": "256 is the product turned over. How many words are there, so which root is still to be taken?",
        "2": "2 is the mean surprise in bits (1, 2, 2 and 3 bits). Perplexity is 2 to that power.",
        "0.25": "That is the typical chance of a word. Perplexity turns it over.",
    },
    hints={
        "start": ["Multiply the four chances: all are powers of 1/2.", "The product is 1/256. Now the fourth root."],
        "256": ["The text has n = 4 words: the fourth root of 256."],
        "4.5": ["2 · 4 · 4 · 8 = 256. The fourth root of that?"],
    },
)


# --- 6 back-propagation through time -------------------------------------------------------------------------


def _sequence(seed, units=4, inputs=3, steps=5):
    rng = np.random.default_rng(seed)
    W, V = 0.6 * rng.normal(size=(units, units)), rng.normal(size=(units, inputs))
    b, x = 0.3 * rng.normal(size=units), rng.normal(size=(steps, inputs))
    states = layers.rnn(x[None], rng.normal(size=(1, units)), W, V, b)[0]
    return x, states, W, V, b, rng.normal(size=states.shape)


def _slipped(x, states, W, V, by_states, slip):
    """The derivatives with one well-known slip in them, to recognise it."""
    by_W, by_V, by_b = np.zeros(W.shape), np.zeros(V.shape), np.zeros(len(W))
    d = by_states[-1]
    for t in range(len(x), 0, -1):
        slopes = {
            "no-slope": np.ones(len(W)),
            "not-squared": 1 - states[t],
            "tanh-again": 1 - np.tanh(states[t]) ** 2,
            "early-slope": 1 - states[t - 1] ** 2,
        }
        delta = d * slopes.get(slip, 1 - states[t] ** 2)
        by_W, by_V, by_b = by_W + np.outer(delta, states[t - 1]), by_V + np.outer(delta, x[t - 1]), by_b + delta
        back = {"transposed": W @ delta, "not-through-tanh": d @ W}.get(slip, delta @ W)
        d = back + (by_states[t] if slip == "late-direct" else 0 if slip == "only-last" else by_states[t - 1])
    return by_W, by_V, by_b


SLIPS = {
    "no-slope": "the derivative of tanh is missing: delta is the derivative by a_t, before the squashing",
    "not-squared": "the slope of tanh is taken as 1 - h; it is 1 - h squared",
    "tanh-again": "tanh is taken of states[t], which is a tanh already",
    "early-slope": "the slope is taken at states[t - 1]; tanh made states[t]",
    "transposed": "the way back multiplies by W from the wrong side: delta is a row, and a_t has W h",
    "not-through-tanh": "d goes back through W without the slope of tanh: delta goes back, not d",
    "only-last": "the direct derivative by_states[t - 1] is not added: states before the last count, too",
    "late-direct": "by_states[t] is added once more; the state before it has by_states[t - 1]",
}


def _bptt(delta, d):
    return f"""def bptt(x, states, W, V, by_states):
    by_W, by_V, by_b = np.zeros(W.shape), np.zeros(V.shape), np.zeros(len(W))
    d = by_states[-1]
    for t in range(len(x), 0, -1):
        delta = {delta}
        by_W += np.outer(delta, states[t - 1])
        by_V += np.outer(delta, x[t - 1])
        by_b += delta
        d = {d}
    return by_W, by_V, by_b
"""


SLOPE, BACK = "d * (1 - states[t] ** 2)", "by_states[t - 1] + delta @ W"


@exercises.property(
    "bptt",
    wrong={
        _bptt("d", BACK): "no-slope",
        _bptt("d * (1 - states[t])", BACK): "not-squared",
        _bptt("d * (1 - np.tanh(states[t]) ** 2)", BACK): "tanh-again",
        _bptt(SLOPE, "by_states[t - 1] + W @ delta"): "transposed",
        _bptt(SLOPE, "by_states[t - 1] + d @ W"): "not-through-tanh",
        _bptt(SLOPE, "delta @ W"): "only-last",
        """def bptt(x, states, W, V, by_states):
    found = layers.rnn_backward(x[None], states[None], W, V, by_states[None])
    return found[2:]
""": "library",
        """def bptt(x, states, W, V, by_states):
    d = by_states[-1]
    delta = d * (1 - states[-1] ** 2)
    return np.outer(delta, states[-2]), np.outer(delta, x[-1]), delta
""": "differs",
    },
    hints={
        "start": [
            "First blank: delta is the derivative by a_t. h_t = tanh(a_t); which slope has tanh, in terms of h_t?",
            "Second blank: d for the state before. It has a direct part by_states[t - 1], and a part through a_t.",
            "a_t contains W h_(t-1), so the part through a_t is the row delta times W: delta @ W.",
        ],
        "no-slope": ["delta = d times the slope of tanh, entry by entry.", "The slope of tanh at a is 1 - tanh(a)²."],
        "tanh-again": ["1 - tanh(a)² is right, and states[t] = tanh(a). Write it with states[t] alone."],
        "not-squared": ["Differentiate tanh: 1 - tanh². states[t] is already the tanh."],
        "transposed": [
            "Write one entry: the derivative by h_(t-1), entry j, is the sum over i of delta_i W_ij.",
            "The sum runs over the first index of W: that is delta @ W.",
        ],
        "not-through-tanh": ["a_t lies between h_t and h_(t-1). Which of d and delta is the derivative by a_t?"],
        "only-last": ["In a tagger every word has a loss of its own. Where does by_states[t - 1] come in?"],
    },
)
def check_bptt(bptt):
    """Against central differences of the loss sum(by_states * states), in every entry of W, V and b."""
    banned = [name for name in names_used(bptt) if "layers" in name or "rnn_backward" in name]
    require(not banned, "library", f"`bptt` calls {banned[:1]}: derive it; the layer is only for comparison.")
    for seed in range(5):
        x, states, W, V, b, g = _sequence(seed)
        found = bptt(x.copy(), states.copy(), W.copy(), V.copy(), g.copy())
        require(isinstance(found, tuple) and len(found) == 3, "shape", "Three arrays are wanted: by W, by V, by b.")
        for slip, reason in SLIPS.items():
            same = zip(found, _slipped(x, states, W, V, g, slip), strict=True)
            require(not all(np.allclose(f, s, rtol=1e-9) for f, s in same), slip, f"Read line by line: {reason}.")

        def loss(k, value, parts=(W, V, b), x=x, states=states, g=g):
            now = [value if i == k else part for i, part in enumerate(parts)]
            return (layers.rnn(x[None], states[:1], *now)[0] * g).sum()

        for k, name in enumerate(("W", "V", "b")):
            mine, at = np.asarray(found[k], dtype=float), (W, V, b)[k]
            require(
                mine.shape == at.shape, "shape", f"The derivative by {name} has the shape {mine.shape}, not {at.shape}."
            )
            error = layers.checked_gradient(lambda p, k=k: loss(k, p), at, mine)
            require(
                error < 1e-6,
                "differs",
                f"The derivative by {name} is off by {error:.1g} (relative) from central differences; wanted: 1e-6.",
            )


# --- 7 and 8 the faded examples ------------------------------------------------------------------------------


def _rnn(mixed, squashed, kept="squashed"):
    return f"""def rnn_scores(x, W, V, b, C, c):
    h = np.zeros(len(b))
    for word in x:
        mixed = {mixed}
        squashed = {squashed}
        h = {kept}
    return C @ h + c
"""


@exercises.differential(
    "rnn_scores",
    wrong={
        _rnn("V @ word + W @ h + b", "mixed"): "not-squashed",
        _rnn("V @ word + b", "np.tanh(mixed)"): "no-memory",
        _rnn("V @ word + W @ h", "np.tanh(mixed)"): "no-bias",
        _rnn("V @ word + W @ h + b", "1 / (1 + np.exp(-mixed))"): "sigmoid",
        _rnn("V @ word + W.T @ h + b", "np.tanh(mixed)"): "transposed",
        _rnn("W @ word + V @ h + b", "np.tanh(mixed)"): "shapes",
    },
    hints={
        "start": [
            "The formula of section 2, with @ for each product: V x_t + W h_(t-1) + b.",
            "Step 2 is np.tanh of what step 1 gave.",
        ],
        "not-squashed": ["What does step 2 do in section 2?", "np.tanh works entry by entry."],
        "no-memory": ["Two things are mixed in step 1: the word, and what else?"],
        "shapes": ["A matrix with 3 columns multiplies a vector of 3. Which of W and V can multiply `word`?"],
        "transposed": ["The formula has W h, not h W."],
        "sigmoid": ["The state lies between -1 and 1, not 0 and 1."],
    },
)
def check_rnn_scores(rnn_scores):
    """Against labkit's layer, on seeded sequences of several lengths."""
    banned = [name for name in names_used(rnn_scores) if "layers" in name]
    require(not banned, "library", f"`rnn_scores` uses {banned[:1]}: write the two lines yourself.")
    for seed in range(20):
        rng = np.random.default_rng(seed)
        units, inputs, steps = 5, 3, 3 + seed % 5
        W, V, b = 0.5 * rng.normal(size=(units, units)), rng.normal(size=(units, inputs)), rng.normal(size=units)
        C, c, x = rng.normal(size=(2, units)), rng.normal(size=2), rng.normal(size=(steps, inputs))
        try:
            scores = rnn_scores(x.copy(), W.copy(), V.copy(), b.copy(), C.copy(), c.copy())
        except ValueError:
            reject("shapes", f"The arrays do not fit. W is {W.shape}, V is {V.shape}, word ({inputs},), h ({units},).")
        found = np.asarray(scores, dtype=float)
        require(found.shape == (2,), "shape", f"The scores have the shape {found.shape}; two numbers are wanted.")
        for slip, reason in RNN_SLIPS.items():
            h = np.zeros(units)
            for word in x:
                h = _RNN_STEPS[slip](word, h, W, V, b)
            require(not np.allclose(found, C @ h + c, rtol=1e-9), slip, reason)
        last = layers.rnn(x[None], np.zeros((1, units)), W, V, b)[0, -1]
        wanted = C @ last + c
        require(
            np.allclose(found, wanted, rtol=1e-10, atol=1e-12),
            "differs",
            f"Sequence {seed} with {steps} steps: found {found.round(4)}, expected {wanted.round(4)}.",
        )


RNN_SLIPS = {
    "not-squashed": "The state is not squashed: without tanh the whole network is one linear map.",
    "no-memory": "Only the last word counts: the old state h does not reach the mix.",
    "no-bias": "The bias b is missing from the mix.",
    "sigmoid": "The state is squashed by the logistic function; step 2 wants tanh, between -1 and 1.",
    "transposed": "W is used as its transpose: the formula says W h.",
    "no-weights": "The old state is added as it is: it should go through W.",
}
_RNN_STEPS = {
    "not-squashed": lambda w, h, W, V, b: V @ w + W @ h + b,
    "no-memory": lambda w, h, W, V, b: np.tanh(V @ w + b),
    "no-bias": lambda w, h, W, V, b: np.tanh(V @ w + W @ h),
    "sigmoid": lambda w, h, W, V, b: 1 / (1 + np.exp(-(V @ w + W @ h + b))),
    "transposed": lambda w, h, W, V, b: np.tanh(V @ w + W.T @ h + b),
    "no-weights": lambda w, h, W, V, b: np.tanh(V @ w + h + b),
}


def _gated(
    mixed_gate="Vz @ word + Wz @ h + bz", z="sigmoid(mixed_gate)", n="np.tanh(mixed_new)", h="z * h + (1 - z) * n"
):
    return f"""def gated_scores(x, gate, new, C, c):
    (Wz, Vz, bz), (W, V, b) = gate, new
    h = np.zeros(len(b))
    for word in x:
        mixed_gate = {mixed_gate}
        mixed_new = V @ word + W @ h + b
        z = {z}
        n = {n}
        h = {h}
    return C @ h + c
"""


@exercises.differential(
    "gated_scores",
    wrong={
        _gated(h="(1 - z) * h + z * n"): "gate-reversed",
        _gated(z="np.tanh(mixed_gate)"): "gate-tanh",
        _gated(n="sigmoid(mixed_new)"): "new-sigmoid",
        _gated(h="z * h + n"): "adds-up",
        _gated(h="z @ h + (1 - z) @ n"): "shapes",
        _gated(z="mixed_gate"): "gate-raw",
        _gated(mixed_gate="V @ word + W @ h + b"): "one-mix",
    },
    hints={
        "start": [
            "Step 1 for the gate looks like step 1 for the new part, with the gate's own weights.",
            "Step 2: the gate is a share, between 0 and 1; the new part is a state, between -1 and 1.",
            "Step 3: a weighted mean, entry by entry: z of the old state h, 1 - z of n.",
        ],
        "gate-reversed": ["z says how much is *kept*. For z = 1, what should the new state be?"],
        "gate-tanh": ["A share cannot be negative: `sigmoid` is given above."],
        "adds-up": ["The two shares must add up to 1, or the state grows without a bound."],
        "gate-raw": ["A share lies between 0 and 1. Which function, given above, makes it so?"],
        "shapes": ["Each unit has its own gate: in step 3 use *, not @."],
    },
)
def check_gated_scores(gated_scores):
    """Against the formula, and at both ends: a gate at 1 keeps, a gate at 0 is the plain network."""
    for seed in range(20):
        rng = np.random.default_rng(seed)
        units, inputs, steps = 4, 3, 3 + seed % 4
        gate, new = (
            (rng.normal(size=(units, units)), rng.normal(size=(units, inputs)), rng.normal(size=units)) for _ in "12"
        )
        C, c, x = rng.normal(size=(2, units)), rng.normal(size=2), rng.normal(size=(steps, inputs))
        try:
            scores = gated_scores(x.copy(), gate, new, C.copy(), c.copy())
        except ValueError:
            reject(
                "shapes", f"The arrays do not fit. h, z and n have {units} entries each: multiply them entry by entry."
            )
        found = np.asarray(scores, dtype=float)
        require(found.shape == (2,), "shape", f"The scores have the shape {found.shape}; two numbers are wanted.")
        for slip, reason in GATE_SLIPS.items():
            require(not np.allclose(found, _through(x, gate, new, C, c, slip), rtol=1e-9), slip, reason)
        wanted = _through(x, gate, new, C, c, "")
        require(
            np.allclose(found, wanted, rtol=1e-10, atol=1e-12),
            "differs",
            f"Sequence {seed}: found {found.round(4)}, expected {wanted.round(4)}. Compare your four lines.",
        )
    shut = (gate[0] * 0, gate[1] * 0, np.full(4, 50.0))
    kept = gated_scores(x.copy(), shut, new, C.copy(), c.copy())
    require(np.allclose(kept, c), "gate-reversed", "With the gate at 1 the state should stay h_0 = 0; it moved.")


def _logistic(a):
    return 1 / (1 + np.exp(-a))


def _through(x, gate, new, C, c, slip):
    (Wz, Vz, bz), (W, V, b) = gate, new
    h = np.zeros(len(b))
    for word in x:
        mixed = V @ word + W @ h + b
        z = mixed if slip == "one-mix" else Vz @ word + Wz @ h + bz
        z = {"gate-tanh": np.tanh, "gate-raw": np.asarray}.get(slip, _logistic)(z)
        n = {"new-sigmoid": _logistic, "new-raw": np.asarray}.get(slip, np.tanh)(mixed)
        if slip == "gate-reversed":
            z = 1 - z
        h = z * h + n if slip == "adds-up" else z * h + (1 - z) * n
    return C @ h + c


GATE_SLIPS = {
    "gate-reversed": "The gate works the wrong way round: z is the share of the *old* state.",
    "gate-tanh": "The gate is squashed by tanh, so a share can be negative.",
    "gate-raw": "The gate is not squashed: a share must lie between 0 and 1.",
    "new-raw": "The new part is not squashed: tanh is missing in step 2.",
    "new-sigmoid": "The new part is squashed by the logistic function, so no state is ever negative.",
    "adds-up": "The new part comes whole: its share should be 1 - z.",
    "one-mix": "The gate uses the weights of the new part; it has its own: Wz, Vz, bz.",
}


# --- 10 whose memory -----------------------------------------------------------------------------------------

HEAD = """%%function remember --include rnn.json
import json

import numpy as np

with open("rnn.json") as file:
    net = json.load(file)
W, V, b, C, c = (np.array(net[name]) for name in "WVbCc")
{before}

def handler(event, context):
{begin}
    for word in event["words"]:
        h = np.tanh(V[:, net["words"].index(word)] + W @ h + b)
    scores = C @ h + c
    chance = round(float(1 / (1 + np.exp(scores[0] - scores[1]))), 4)
{end}
"""
GLOBAL = HEAD.format(
    before="h = np.zeros(len(b))",
    begin="    global h\n    if event['state'] is None:\n        h = np.zeros(len(b))",
    end="    return {'praise': chance, 'state': 'kept here'}",
)
BY_TICKET = HEAD.format(
    before="memory = {}",
    begin="    key = event['state'] or len(memory) + 1\n    h = memory.get(key, np.zeros(len(b)))",
    end="    memory[key] = h\n    return {'praise': chance, 'state': key}",
)
ALWAYS_NEW = HEAD.format(
    before="", begin="    h = np.zeros(len(b))", end="    return {'praise': chance, 'state': h.tolist()}"
)
NOT_JSON = HEAD.format(
    before="",
    begin="    h = np.zeros(len(b)) if event['state'] is None else np.array(event['state'])",
    end="    return {'praise': chance, 'state': h}",
)
STATELESS_ANSWER = HEAD.format(
    before="",
    begin="    h = np.zeros(len(b)) if event['state'] is None else np.array(event['state'])",
    end="    return {'praise': chance}",
)


@exercises.behaviour(
    "remember",
    wrong={
        GLOBAL: "mixes",
        BY_TICKET: "dies-with-environment",
        ALWAYS_NEW: "forgets",
        NOT_JSON: "not-json",
        STATELESS_ANSWER: "no-state",
    },
    hints={
        "start": [
            "Copy the handler of `mixed_up`. Which line lets one customer see another's state?",
            "The state should be a local variable: it begins as event['state'], or as zeros if that is None.",
            "Return it, so that the caller can bring it back: as a list, because JSON has no arrays.",
        ],
        "mixes": [
            "`h` is one variable for all customers. What else comes with each call, and goes back with each answer?"
        ],
        "dies-with-environment": [
            "A dictionary in the process separates customers. How many processes does a busy function have?",
            "Nothing in the process is safe. Give the state itself to the caller, not a number of it.",
        ],
        "keeps-something": [
            "A file in /tmp belongs to one environment, as a global does.",
            "All that the second call needs should come with its event.",
        ],
        "forgets": ["At the second message, event['state'] holds what your first answer gave as state. Begin with it."],
        "not-json": ["h.tolist() makes a list of numbers of an array; np.array(...) makes an array of it again."],
        "no-state": ["The answer needs two entries: praise, and state."],
    },
)
def check_remember(remember, rnn):
    """Two conversations by turns, then one that continues in a fresh environment."""
    ada = "the app was not really", "great"
    bob = "the shop was so", "great , and not very slow"
    ada_1, bob_1 = _say(remember, ada[0], None), _say(remember, bob[0], None)
    ada_2, bob_2 = _say(remember, ada[1], ada_1["state"]), _say(remember, bob[1], bob_1["state"])
    for name, parts, found in (("Ada", ada, ada_2), ("Bob", bob, bob_2)):
        wanted = _praise(rnn, " ".join(parts))
        said = f"{name}'s praise is {found['praise']}; all of {name}'s words, read at once, give {wanted:.4f}."
        for diagnosis, words, reason in (
            ("forgets", parts[1], "Found is what the second message gives alone: the first is forgotten."),
            (
                "mixes",
                f"{bob[0]} {ada[1]}",
                "Found is what Ada's words give after Bob's: the conversations were mixed.",
            ),
            ("differs", "", "Does the state go out and come back as it is?"),
        ):
            same = not words or abs(found["praise"] - _praise(rnn, words)) < 1e-3
            require(abs(found["praise"] - wanted) < 1e-3 or not same, diagnosis, f"{said} {reason}")
    first = _say(remember, ada[0], None)
    remember.coldstart(1, {"words": ["the"], "state": None})
    later = _say(remember, ada[1], first["state"])
    require(
        abs(later["praise"] - _praise(rnn, " ".join(ada))) < 1e-3,
        "dies-with-environment",
        "Right, as long as one environment lives. Ada's second message met a fresh one, and her state was not there.",
    )
    again = _say(remember, ada[1], first["state"])
    require(
        again["praise"] == later["praise"],
        "keeps-something",
        f"The same event twice gave {later['praise']} and {again['praise']}: a global or a file remembers something.",
    )


def _say(function, text, state):
    outcome = function.invoke({"words": text.split(), "state": state})
    if outcome.error is not None:
        kind = "not-json" if "serializable" in str(outcome.error.message) else "fails"
        reject(kind, f"For {text!r} it fails: {outcome.error.error_type}: {outcome.error.message}.")
    said = outcome.payload
    require(isinstance(said, dict) or said is None, "shape", f"It answers {said!r}; expected praise and state.")
    missing = [name for name in ("praise", "state") if name not in (said or {})]
    require(not missing, "no-state", f"The answer has no `{''.join(missing[:1])}`; found {said!r:.60}.")
    return said


def _praise(rnn, text):
    W, V, b, C, c = (np.array(rnn[name]) for name in "WVbCc")
    h = np.zeros(len(b))
    for word in text.split():
        h = np.tanh(V[:, rnn["words"].index(word)] + W @ h + b)
    scores = C @ h + c
    return float(1 / (1 + np.exp(scores[0] - scores[1])))


# --- 11 one word per event -----------------------------------------------------------------------------------


def _complete(body):
    return f"""%%function complete --include next.json
import json

with open("next.json") as file:
    likely = json.load(file)


def handler(event, context):
    request = json.loads(event["body"])
    head = {{"statusCode": 200, "headers": {{"Content-Type": "text/event-stream"}}}}
    word = request["text"].split()[-1]
{body}"""


LOOP = """    for _ in range(request["most"]):
        word = likely.get(word, "</s>")
        if word == "</s>":
            break
"""


@exercises.behaviour(
    "complete",
    wrong={
        _complete(
            "    sent = []\n" + LOOP + '        sent.append("data: " + json.dumps({"word": word}) + "\\n\\n")\n'
            '    return {**head, "body": "".join(sent) + "data: [DONE]\\n\\n"}\n'
        ): "all-at-once",
        _complete(
            "    yield head\n" + LOOP + '        yield "data: " + json.dumps({"word": word}) + "\\n"\n'
            '    yield "data: [DONE]\\n\\n"\n'
        ): "no-empty-line",
        _complete(
            "    yield head\n    sent = []\n" + LOOP + "        sent.append(word)\n"
            '    yield "data: " + json.dumps({"word": " ".join(sent)}) + "\\n\\n"\n    yield "data: [DONE]\\n\\n"\n'
        ): "one-event",
        _complete(
            "    yield head\n" + LOOP + '        yield "data: " + json.dumps({"word": word}) + "\\n\\n"\n'
        ): "no-end",
        _complete(
            LOOP + '        yield "data: " + json.dumps({"word": word}) + "\\n\\n"\n    yield "data: [DONE]\\n\\n"\n'
        ): "no-head",
        _complete(
            '    yield head\n    for _ in range(request["most"]):\n        word = likely[word]\n'
            '        yield "data: " + json.dumps({"word": word}) + "\\n\\n"\n    yield "data: [DONE]\\n\\n"\n'
        ): "runs-on",
    },
    hints={
        "start": [
            "request = json.loads(event['body']); the last word of request['text'] is where you begin.",
            "yield head first. Then, in a loop: the next word is likely.get(word, '</s>'); stop at '</s>'.",
            "Each event is one yield: 'data: ' + json.dumps({'word': word}) + two line ends.",
        ],
        "fails": ["Behind a URL the request is text: json.loads(event['body']) first."],
        "nothing": ["What a handler prints goes to its log. What the caller should get is yielded."],
        "all-at-once": ["`return` ends the handler with everything in hand. `yield` sends a piece and goes on."],
        "no-empty-line": ["An event ends with an *empty line*: two line ends, \\n\\n."],
        "one-event": ["yield inside the loop, once for each word."],
        "no-head": ["`head` tells the browser what follows. It is the first value that is yielded."],
        "no-end": ["After the loop, one more yield: data: [DONE] and two line ends."],
        "runs-on": ["`likely` may say '</s>', or not know the word at all: .get with a default, and a break."],
    },
)
def check_complete(complete, likely):
    """Over HTTP, piece by piece: as many events as words, each in a piece of its own."""
    address = complete.function_url(invoke_mode="RESPONSE_STREAM")
    complete.invoke({"body": json.dumps({"text": "how do", "most": 3})})  # a handler that says nothing is not done yet
    for text, most in (("how do", 8), ("where", 2), ("my lamp is broken", 8), ("do you sell robots", 5)):
        status, kind, pieces = _streamed(address, {"text": text, "most": most})
        body, wanted = "".join(pieces), _continuation(likely, text, most)
        require(status == 200, "fails", f"For {text!r} the status is {status}: {body[:60]}; see %logs complete.")
        require(body != "null", "nothing", "It returns nothing (null), and yields nothing either.")
        events = [part for part in body.split("\n\n") if part]
        require(
            not body.startswith('{"statusCode"'), "all-at-once", f"Returned, not yielded: {body[:50]!r}… comes at once."
        )
        if not all(event.startswith("data: ") and "\n" not in event for event in events):
            reject(
                "no-empty-line", f"For {text!r} the body is {body!r:.90}; expected `data: ...` and an empty line each."
            )
        found = [event.removeprefix("data: ") for event in events]
        end = found.pop() if found and found[-1] == "[DONE]" else ""
        words = [_word(event) for event in found]
        require(
            "</s>" not in words, "runs-on", f"For {text!r} it sends </s>, the mark of the end, as if it were a word."
        )
        head = kind.startswith("text/event-stream")
        require(head, "no-head", f"The content type is {kind!r}: yield `head` first, before any event.")
        one = len(words) == 1 < len(wanted) and words[0] == " ".join(wanted)
        require(not one, "one-event", f"All {len(wanted)} words come in one event; one event per word is wanted.")
        require(words == wanted, "other-words", f"For {text!r}, most {most}: found {words}, expected {wanted}.")
        require(end, "no-end", "The last event should be `data: [DONE]`, so that a browser knows that all is said.")
        many = len(pieces) > 1 or len(wanted) < 3
        require(many, "all-at-once", f"{len(events)} events came in one piece: nothing was streamed. Use yield.")


def _streamed(address, request):
    try:
        with requests.post(address, json=request, stream=True, timeout=10) as response:
            kind = response.headers.get("Content-Type", "")
            return response.status_code, kind, [piece.decode() for piece in response.iter_content(None)]
    except requests.RequestException:
        reject("fails", "The stream breaks off: the handler fails on its way. %logs complete shows where.")


def _continuation(likely, text, most):
    words, word = [], text.split()[-1]
    while len(words) < most and likely.get(word, "</s>") != "</s>":
        word = likely[word]
        words.append(word)
    return words


def _word(event):
    try:
        return json.loads(event)["word"]
    except (ValueError, TypeError, KeyError):
        reject("other-words", f'An event holds {event!r:.60}; expected {{"word": "..."}} as JSON.')


# --- 12 a sensor ---------------------------------------------------------------------------------------------


def _surprises(chances, log="-math.log2", steps="zip(levels, levels[1:])", entry="chances[v, w]"):
    return f"""def surprises(levels, normal, alpha=1.0):
    normal = np.asarray(normal, dtype=float)
    chances = {chances}
    return [{log}({entry}) for v, w in {steps}]
"""


SMOOTH = "(normal + alpha) / (normal.sum(axis=1, keepdims=True) + alpha * len(normal))"


@exercises.property(
    "surprises",
    wrong={
        _surprises(SMOOTH, log="-math.log"): "nats",
        _surprises("(normal + alpha) / (normal.sum(axis=1, keepdims=True) + alpha)"): "not-a-distribution",
        _surprises(SMOOTH, entry="chances[w, v]"): "reversed",
        _surprises("(normal + alpha) / (normal.sum() + alpha * normal.size)"): "joint",
        _surprises("normal / normal.sum(axis=1, keepdims=True) + 1e-9"): "ignores-alpha",
        _surprises(SMOOTH, log="math.log2"): "negative",
        "def surprises(levels, normal, alpha=1.0):\n    counts = np.asarray(normal).sum(axis=0) + alpha\n"
        "    return [-math.log2(counts[w] / counts.sum()) for w in levels[1:]]\n": "bag",
    },
    hints={
        "start": [
            "For the step from v to w: the count normal[v][w], smoothed, over the smoothed sum of the row v.",
            "The row has as many entries as there are levels, and alpha was added to each.",
            "-log2 of that chance; zip(levels, levels[1:]) gives the steps.",
        ],
        "nats": ["Bits: math.log2 or np.log2."],
        "not-a-distribution": ["alpha is added to every entry of the row: by how much does the row's sum grow?"],
        "reversed": ["P(w | v): which of the two is the row?"],
        "joint": ["Given v, only row v counts: divide by that row's sum, not by the sum of all."],
        "bag": ["This looks at each level alone. Which level came before it?"],
        "ignores-alpha": ["alpha is the third parameter: add it to every count."],
    },
)
def check_surprises(surprises):
    """Chances must add up to 1 for each level; a fault with the same histogram must stand out."""
    rng = np.random.default_rng(9)
    for size in (3, 5):
        normal = rng.integers(0, 30, size=(size, size))
        normal[0, -1] = 0
        for alpha in (0.5, 2.0):
            _check_table(surprises, normal, alpha)
    usual = [int(level) for level in np.abs(np.cumsum(rng.integers(-1, 2, size=600)) % 8 - 4)]
    counts = np.zeros((5, 5), int)
    for v, w in itertools.pairwise(usual):
        counts[v, w] += 1
    window = usual[100:160]
    fault = [int(level) for level in rng.permutation(window)]
    before, after = (np.mean(surprises(list(seq), counts.copy(), 1.0)) for seq in (window, fault))
    require(after > 1.3 * before, "bag", "The same levels in a shuffled order should surprise much more; they do not.")


def _check_table(surprises, normal, alpha):
    size = len(normal)
    smooth = (normal + alpha) / (normal.sum(axis=1, keepdims=True) + alpha * size)
    pairs = [(v, w) for v in range(size) for w in range(size)]
    found = []
    for v, w in pairs:
        steps = np.asarray(surprises([v, w], normal.copy(), alpha), dtype=float)
        require(
            steps.shape == (1,), "shape", f"Two levels are one step; found {steps.shape} numbers. One for each step."
        )
        found.append(steps[0])
    bits, wanted = np.array(found), -np.log2([smooth[pair] for pair in pairs])
    require(not (bits < 0).all(), "negative", "All surprises are negative: log2 of a chance below 1 is; turn the sign.")
    require(not np.allclose(bits, wanted * np.log(2)), "nats", "These are natural logarithms; bits want log2.")
    turned = -np.log2([smooth[w, v] for v, w in pairs])
    require(
        not np.allclose(bits, turned),
        "reversed",
        "These are the chances of the step backwards: normal[v][w] is from v to w.",
    )
    sums = (2.0**-bits).reshape(size, size).sum(axis=1)
    joint = np.isclose(sums.sum(), 1)
    require(not joint, "joint", "All steps together have the chance 1; given v, the steps from v should.")
    flat = np.allclose(bits.reshape(size, size), bits[:size])
    require(not flat, "bag", "The level before makes no difference: this is the bag again.")
    raw = normal[0] / normal[0].sum()
    same = np.allclose(2.0 ** -bits[:size], raw, atol=1e-6)
    require(not same, "ignores-alpha", "alpha changes nothing; it should be added to every count.")
    fair = np.allclose(sums, 1, rtol=1e-9)
    require(fair, "not-a-distribution", f"The chances of the steps from level 0 add up to {sums[0]:.3f}; 1 is wanted.")
    require(
        np.allclose(bits, wanted, rtol=1e-9), "differs", f"Found {bits[:3].round(3)}, expected {wanted[:3].round(3)}."
    )
    long = np.asarray(surprises([0, 1, 2, 1], normal.copy(), alpha), dtype=float)
    require(long.shape == (3,), "shape", f"Four levels have three steps; found {len(long)} numbers.")


exercises.explain("orthogonal", words=10)
