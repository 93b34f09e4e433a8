"""The exercises of lesson 01: who does what, where events go, and functions that are really called."""

import json
from urllib.parse import unquote_plus

import numpy as np

from labkit import events
from labkit.billing import US_EAST_1
from labkit.lesson.exercises import Exercises, reject, require

exercises = Exercises()


# --- who does what ------------------------------------------------------------------------------------------

exercises.explain("global", words=8)

YOURS = "you"
THEIRS = "provider"
DUTIES = {
    "buy and power the machines": (THEIRS, "machines", "You never see a machine, not even its name."),
    "write and test the handler": (YOURS, "code", "Nobody else knows what it should do."),
    "patch the operating system": (THEIRS, "machines", "You cannot even log in to it."),
    "patch the Python interpreter": (THEIRS, "machines", "It is not in your zip file."),
    "update the libraries in the package": (
        YOURS,
        "code",
        "What you put into the zip stays as it is until you change it.",
    ),
    "choose memory size and timeout": (YOURS, "settings", "--memory and --timeout are options of %%function."),
    "start more environments when more events come": (
        THEIRS,
        "scaling",
        "Section 3: three appeared, and you asked for none.",
    ),
    "give each event to a free environment": (THEIRS, "scaling", "That is the dispatcher of section 1."),
    "decide who may call the function": (YOURS, "callers", "A function URL is open to all unless you say otherwise."),
    "refuse rubbish in an event": (
        YOURS,
        "callers",
        "The platform passes on whatever is JSON; your handler looks at it.",
    ),
    "choose where data is kept between calls": (
        YOURS,
        "settings",
        "The environment may vanish: you choose the database.",
    ),
    "watch the bill": (YOURS, "settings", "The provider charges; whether that is too much only you can say."),
}


def _duties(**changed):
    answers = {duty: who for duty, (who, _, _) in DUTIES.items()}
    short = {"memory": "choose memory size and timeout", "os": "patch the operating system"}
    short |= {"libraries": "update the libraries in the package", "callers": "decide who may call the function"}
    short |= {"scale": "start more environments when more events come"}
    return "duties = " + repr(answers | {short[name]: who for name, who in changed.items()})


@exercises.property(
    "duties",
    wrong={
        _duties(memory=THEIRS): "settings",
        _duties(os=YOURS): "machines",
        _duties(libraries=THEIRS): "code",
        _duties(callers=THEIRS): "callers",
        _duties(scale=YOURS): "scaling",
        _duties(memory="me"): "words",
    },
    hints={
        "machines": [
            "Could you do it at all? You have a zip file and some settings, no machine.",
            "It is the provider's.",
        ],
        "settings": ["Look at the options of %%function: who writes them?", "It is yours."],
        "code": ["What is inside the zip file of your function?", "All that is inside is yours."],
        "callers": ["Can a provider know who your customers are, and what a right event looks like?", "It is yours."],
        "scaling": ["In section 3 three calls came at once. What did you do to get three processes?", "Nothing."],
    },
)
def check_duties(duties):
    """Each duty has its owner."""
    odd = [who for who in duties.values() if who not in (YOURS, THEIRS)]
    require(not odd, "words", f"Found {odd[:1]}; expected 'you' or 'provider'.")
    missing = [duty for duty in DUTIES if duty not in duties]
    require(not missing, "missing", f"The duty {missing[:1]} is gone; twelve were there.")
    wrong = [duty for duty, (who, _, _) in DUTIES.items() if duties[duty] != who]
    if wrong:
        _, diagnosis, why = DUTIES[wrong[0]]
        more = f" ({len(wrong)} of 12 have the wrong owner.)" if len(wrong) > 1 else ""
        reject(diagnosis, f"{wrong[0]!r}: you wrote {duties[wrong[0]]!r}. {why}{more}")


HOMES = {
    "a file asks for 3 copies of an image; one that fails is replaced": "CaaS",
    "our code runs once for each new photo; at night nothing runs": "FaaS",
    "the app calls a ready-made log-in; we wrote no code for it": "BaaS",
    "a rented machine runs our program and keeps sessions in its memory": "server",
    "2 to 10 copies, we set both numbers; 2 wait (and cost) at night": "CaaS",
    "500 events come at once; 500 processes of ours start, then vanish": "FaaS",
}
ASK = {
    "CaaS": ("copies", "Who asked for these copies, and who pays for them while nobody calls?"),
    "FaaS": ("per-event", "What is left of it when no event comes?"),
    "BaaS": ("ready-made", "Whose code runs there: the team's, or the service's own?"),
    "server": ("state", "Where is the state kept, and what happens to it if the machine stops?"),
}


def _homes(at, home):
    return "homes = " + repr(HOMES | {list(HOMES)[at]: home})


@exercises.property(
    "homes",
    wrong={
        _homes(4, "FaaS"): "copies",
        _homes(1, "server"): "per-event",
        _homes(2, "FaaS"): "ready-made",
        _homes(3, "CaaS"): "state",
        _homes(0, "Docker"): "words",
    },
    hints={
        "copies": [
            "Look at the third row of the table, last column.",
            "Copies that wait and cost: a container service.",
        ],
        "per-event": ["A server would run at night, too.", "One run for each event: a function."],
        "ready-made": ["A function is code of yours. Is there any here?", "Ready-made backend: BaaS."],
        "state": [
            "What would a container or a function lose when it is replaced?",
            "State in memory: a server of one's own.",
        ],
    },
)
def check_homes(homes):
    """Each story has its home."""
    odd = [home for home in homes.values() if home not in ASK]
    require(not odd, "words", f"Found {odd[:1]}; expected one of {', '.join(ASK)}.")
    missing = [story for story in HOMES if story not in homes]
    require(not missing, "missing", f"The story {missing[:1]} is gone; six were there.")
    for story, home in HOMES.items():
        diagnosis, question = ASK[home]
        require(homes[story] == home, diagnosis, f"{story!r} is not {homes[story]}. {question}")


# --- repair -------------------------------------------------------------------------------------------------


@exercises.behaviour(
    "repair",
    wrong={
        """%%function infer
def infer(event, context):
    values = event["values"]
    print({"prediction": sum(values) / len(values)})
""": "prints",
        """%%function infer
def infer(event, context):
    values = event["values"]
    return sum(values) / len(values)
""": "bare",
        """%%function infer
import json
def infer(event, context):
    values = event["values"]
    return json.dumps({"prediction": sum(values) / len(values)})
""": "twice-json",
        """%%function infer
def infer(event, context):
    values = event["values"]
    return {"prediction": sum(values) // len(values)}
""": "other-number",
        """%%function infer
def infer(event, context):
    return {"prediction": 2.0}
""": "same-for-all",
    },
    hints={
        "prints": ["What is printed goes to the log. What does the caller get?", "`return` it instead."],
        "bare": ["The text of the function says in which form the answer is wanted: a dictionary with one key."],
        "twice-json": [
            "The platform turns what you return into JSON. What if it is JSON text already?",
            "Return the dictionary.",
        ],
        "other-number": ["The mean of [1, 2, 4] is 7/3. Which division keeps the fraction?"],
        "same-for-all": ["The event brings the values: compute from them."],
    },
)
def check_repair(infer):
    """What a caller receives for two lists."""
    rng = np.random.default_rng(6)
    lists = [[1, 2, 3], [5, 6, 8.5, 4], rng.normal(size=7).round(3).tolist()]
    outcomes = [infer.invoke({"values": values}) for values in lists]
    for outcome in outcomes:
        if outcome.error is not None:
            reject("fails", f"It fails: {outcome.error.error_type}: {outcome.error.message}.")
    payloads = [outcome.payload for outcome in outcomes]
    first, second, _ = payloads
    require(first is not None, "prints", "The caller still gets null: a handler answers by `return`.")
    require(
        not isinstance(first, str), "twice-json", f"Found the text {first!r}; expected an object: it is JSON in JSON."
    )
    require(isinstance(first, dict), "bare", f'Found {first!r}; expected {{"prediction": {first!r}}}.')
    require("prediction" in first, "key", f"Found the keys {list(first)}; expected `prediction`.")
    require(first != second, "same-for-all", f"[1, 2, 3] and [5, 6, 8.5, 4] get the same answer, {first}.")
    for values, payload in zip(lists, payloads, strict=True):
        found, mean = payload["prediction"], float(np.mean(values))
        same = isinstance(found, (int, float)) and np.isclose(found, mean, rtol=1e-12)
        require(same, "other-number", f"For {values}: found {found}, expected the mean, {mean:g}.")


# --- break-even ---------------------------------------------------------------------------------------------


@exercises.differential(
    "break_even",
    wrong={
        """def break_even(server_usd, seconds, memory_mb):
    return server_usd / (seconds * memory_mb / 1024 * PER_GB_S)
""": "no-fee",
        """def break_even(server_usd, seconds, memory_mb):
    return server_usd / (seconds * memory_mb / 1000 * PER_GB_S + FEE)
""": "thousand",
        """def break_even(server_usd, seconds, memory_mb):
    return server_usd / (seconds * memory_mb * PER_GB_S + FEE)
""": "megabytes",
        """def break_even(server_usd, seconds, memory_mb):
    return (seconds * memory_mb / 1024 * PER_GB_S + FEE) / server_usd
""": "upside-down",
        """def break_even(server_usd, seconds, memory_mb):
    return round(server_usd / (seconds * memory_mb / 1024 * PER_GB_S + FEE))
""": "rounded",
        """def break_even(server_usd, seconds, memory_mb):
    return 25.3e6
""": "constant",
    },
    hints={
        "no-fee": ["A request costs something even if it takes no time.", "Add FEE to the cost of one request."],
        "thousand": ["How many megabytes are in a gigabyte, as AWS counts memory?", "1024, as in the formula for c."],
        "megabytes": ["PER_GB_S is the price of giga bytes.", "Divide memory_mb by 1024."],
        "upside-down": [
            "Check with easy numbers: a server of $10, a request of $2. How many requests?",
            "S / c, not c / S.",
        ],
        "rounded": ["The crossing of two lines need not be a whole number: return it as it is."],
        "constant": ["25.3 million belongs to one server and one kind of request. Compute it from the arguments."],
    },
)
def check_break_even(break_even):
    """Fifty settings, against labkit's own prices."""
    price, fee = US_EAST_1.per_gb_s["x86_64"], US_EAST_1.per_million_requests / 1e6
    rng = np.random.default_rng(1)
    for _ in range(50):
        server = float(rng.uniform(5, 500))
        seconds, memory = float(rng.uniform(0.005, 5)), int(rng.integers(128, 10_240))
        one = seconds * memory / 1024 * price + fee
        found, wanted = break_even(server, seconds, memory), server / one
        require(isinstance(found, (int, float)), "no-number", f"Found {found!r}; expected one number, {wanted:,.10g}.")
        near = {
            "no-fee": server / (one - fee),
            "thousand": server / (seconds * memory / 1000 * price + fee),
            "megabytes": server / (seconds * memory * price + fee),
            "upside-down": one / server,
            "constant": 25.3e6,
        }
        case = f"server ${server:.2f}, {seconds:.3f} s, {memory} MB: found {found:,.10g}, expected {wanted:,.10g}."
        for diagnosis, value in near.items():
            require(not np.isclose(found, value, rtol=1e-9, atol=0), diagnosis, f"{SAID[diagnosis]} ({case})")
        rounded = found == round(found) and abs(found - wanted) <= 1
        require(not rounded, "rounded", f"The number is rounded; the crossing need not be whole. ({case})")
        require(_close(found, wanted), "differs", case)


SAID = {
    "no-fee": "The fee for each request is missing",
    "thousand": "One gigabyte of memory is 1024 MB here",
    "megabytes": "Megabytes are taken for gigabytes",
    "upside-down": "The fraction stands upside down",
    "constant": "It gives the lesson's own example, whatever it is asked",
}


def _close(found, wanted):
    return abs(found - wanted) <= 1e-12 * abs(wanted)


# --- routing ------------------------------------------------------------------------------------------------

ROUTE = """ROUTES = {"http": "estimate", "aws:s3": "transcribe", "aws:sqs": "bill", "timer": "report"}
def route(event):
    if "requestContext" in event:
        kind = "http"
    elif "Records" in event:
        kind = %s
    elif event.get("source") == "aws.events":
        kind = "timer"
    else:
        kind = "unknown"
    name = %s
    return name
"""


@exercises.property(
    "route",
    wrong={
        ROUTE % ('event["eventSource"]', 'ROUTES.get(kind, "dead_letters")'): "record",
        ROUTE % ('"aws:s3"', 'ROUTES.get(kind, "dead_letters")'): "only-s3",
        ROUTE % ('event["Records"][0]["eventSource"]', "ROUTES[kind]"): "unknown-lost",
        ROUTE % ('event["Records"][0]["eventSource"]', "ROUTES.get(kind)"): "returns-nothing",
        ROUTE % ('event["Records"][0]["eventSource"]', "kind"): "kind",
    },
    hints={
        "record": [
            "Print SAMPLES['object created']: at which level is `eventSource`?",
            'event["Records"] is a list; take its first.',
        ],
        "only-s3": [
            "Objects and messages both come as Records. What tells them apart?",
            "The record's own eventSource.",
        ],
        "unknown-lost": [
            "ROUTES[kind] raises KeyError for what is not there.",
            "dict.get takes a second argument: what to give then.",
        ],
        "returns-nothing": [
            "ROUTES.get(kind) gives None for what is not there.",
            "Its second argument is what to give then.",
        ],
        "kind": ["`kind` says what arrived. ROUTES says who takes it."],
    },
)
def check_route(route):
    """One event of each kind, and two that nobody knows."""
    wanted = {
        "an HTTP request": (events.function_url("/x", "POST", body={}), "estimate"),
        "an object": (events.s3("photos", "cat.png"), "transcribe"),
        "a message": (events.sqs("orders", {"order": 1}), "bill"),
        "a timer": (events.schedule(), "report"),
        "an event of a stream": (events.kinesis(), "dead_letters"),
        "an event that says nothing": ({}, "dead_letters"),
    }
    found = {}
    for what, (event, _) in wanted.items():
        try:
            found[what] = route(event)
        except KeyError as problem:
            known = "Records" not in event or event["Records"][0]["eventSource"] in ("aws:s3", "aws:sqs")
            diagnosis = "record" if known and event else "unknown-lost"
            reject(diagnosis, f"For {what} it raises KeyError: {problem}; expected {wanted[what][1]!r}.")
    if found["a message"] == found["an object"] == "transcribe":
        reject("only-s3", "A message of a queue goes to 'transcribe', as if it were an object; expected 'bill'.")
    require(
        found["an object"] != "aws:s3", "kind", "An object goes to 'aws:s3': that is who sent it, not who takes it."
    )
    for what, (_, name) in wanted.items():
        require(found[what] == name, "elsewhere", f"{what} goes to {found[what]!r}, expected {name!r}.")


DELIVER = """from urllib.parse import unquote_plus
RULES = [(".wav", "transcribe"), (".txt", "index"), (".json", "index")]
def deliver(event, handlers):
    sent = []
    for record in event["Records"]:
%s
    return sent
"""
KEY = '        key = unquote_plus(record["s3"]["object"]["key"])\n'
FITS = "        fits = [name for suffix, name in RULES if key.endswith(suffix)]\n"
NAME = '        name = fits[0] if fits else "dead_letters"\n'
SEND = "        handlers[name](record)\n"
NOTE = "        sent.append((key, name))"


@exercises.property(
    "deliver",
    wrong={
        DELIVER % (KEY + FITS + NAME + SEND + NOTE + "\n        break"): "lost",
        DELIVER
        % (
            KEY
            + FITS
            + "        name = fits[0] if fits else None\n        if name:\n            handlers[name](record)\n"
            "            sent.append((key, name))"
        ): "nobody",
        DELIVER
        % (
            KEY
            + """        for suffix, name in RULES:
            if not key.endswith(suffix):
                name = "dead_letters"
            handlers[name](record)
            sent.append((key, name))"""
        ): "twice",
        DELIVER % (KEY + FITS + NAME + NOTE): "not-run",
        DELIVER % (KEY.replace("unquote_plus", "") + FITS + NAME + SEND + NOTE): "plus",
        DELIVER % (KEY + FITS + NAME + "        handlers[name](event)\n" + NOTE): "whole-event",
    },
    hints={
        "lost": [
            "Count: how many records are in the event, and how many were sent?",
            "A `break` or `return` inside the loop ends it early.",
        ],
        "nobody": ["What becomes of a file that no rule knows?", "It goes to the handler 'dead_letters'."],
        "twice": [
            "Follow one record on paper through the loop over RULES. How often is a handler called?",
            "First find the one name, then call once, outside the loop over RULES.",
        ],
        "not-run": ["Step 3: handlers[name] is the function, handlers[name](...) runs it."],
        "plus": ["Look at the key of events.s3('memos', 'memo 01.wav').", "unquote_plus(...) turns it back."],
        "whole-event": ["A function gets its own record, not the records of the others."],
    },
)
def check_deliver(deliver):
    """Random batches: each record exactly once, at the right function."""
    rng = np.random.default_rng(0)
    owners = {".wav": "transcribe", ".txt": "index", ".json": "index", ".png": "dead_letters", "": "dead_letters"}
    endings = [".wav", ".png", ".txt", "", ".json"]
    for case in range(25):
        keys = [f"mémo {case} {at}{endings[rng.integers(5)]}" for at in range(rng.integers(1, 12))]
        if case == 0:
            keys = [f"a {at}{ending}" for at, ending in enumerate(endings)]
        records = [events.s3("memos", key)["Records"][0] for key in keys]
        calls = []
        handlers = {name: _noting(name, calls) for name in set(owners.values())}
        said = deliver({"Records": records}, handlers)
        wanted = [(key, owners["." + key.rpartition(".")[2] if "." in key else ""]) for key in keys]
        _judge_delivery(records, keys, calls, said, wanted)


def _noting(name, calls):
    return lambda record: calls.append((name, record))


def _judge_delivery(records, keys, calls, said, wanted):
    require(calls, "not-run", f"An event with {len(records)} records came, and no function ran.")
    strange = [got for _, got in calls if got not in records]
    what = f"{str(strange[0])[:40]}…" if strange else ""
    require(not strange, "whole-event", f"A function got {what}; expected its own record, as it stands in the event.")
    times = [sum(got == each for _, got in calls) for each in records]
    if max(times) > 1:
        at = times.index(max(times))
        reject("twice", f"The record {keys[at]!r} was sent {times[at]} times, expected once.")
    if 0 in times:
        missing = [keys[at] for at, count in enumerate(times) if count == 0]
        unknown = all(not key.endswith((".wav", ".txt", ".json")) for key in missing)
        text = f"{len(missing)} of {len(keys)} records were sent to nobody, {missing[0]!r} among them."
        reject(
            "nobody" if unknown else "lost",
            f"{text} Expected: each exactly once{', at least to dead_letters' if unknown else ''}.",
        )
    require(isinstance(said, list), "report", f"It returns {said!r}; expected a list of pairs, {wanted[:1]} and so on.")
    said = [tuple(pair) for pair in said]
    coded = [key for key, _ in said if "+" in key or "%" in key]
    require(not coded, "plus", f"Found the key {coded[:1]}; expected {[unquote_plus(key) for key in coded[:1]]}.")
    owners = [name for name, _ in calls]
    require(
        sorted(owners) == sorted(n for _, n in wanted),
        "elsewhere",
        f"Found the functions {owners}, expected {[n for _, n in wanted]}.",
    )
    require(said == wanted, "report", f"It returns {said[:2]}…, expected {wanted[:2]}….")


# --- one function, three triggers ---------------------------------------------------------------------------

MONOLITH = """%%function estimate --timeout 10 --include cleaning.py
import json
from urllib.parse import unquote_plus

from cleaning import clean


def uploads_in(event):
    if "requestContext" in event:
        found = json.loads(event["body"])
        return found if isinstance(found, list) else [found]
    if "Records" in event:
        objects = [record["s3"]["object"] for record in event["Records"]]
        return [{"name": unquote_plus(o["key"]), "size": o["size"]} for o in objects]
    return [event]


def answer(upload):
    facts = clean(upload)
    return f"{facts['name']}: ready in {4 + 6 * facts['mb']:.0f} s"


def handler(event, context):
    try:
        uploads = uploads_in(event)
        if not uploads:
            raise ValueError("there is no upload in the list")
        estimates = [answer(upload) for upload in uploads]
    except (KeyError, TypeError, ValueError) as problem:
        return {"statusCode": 400, "body": json.dumps({"error": str(problem)})}
    return {"statusCode": 200, "body": json.dumps({"estimates": estimates})}
"""
ONE_OR_LIST = "return found if isinstance(found, list) else [found]"
REFUSAL = 'return {"statusCode": 400, "body": json.dumps({"error": str(problem)})}'


def _monolith(right, wrong):
    assert right in MONOLITH
    return MONOLITH.replace(right, wrong)


@exercises.behaviour(
    "three_ways",
    wrong={
        _monolith('json.loads(event["body"])', 'event["body"]'): "body-text",
        _monolith(ONE_OR_LIST, "return [found]"): "batch",
        _monolith('for record in event["Records"]]', 'for record in event["Records"][:1]]'): "one-record",
        _monolith('unquote_plus(o["key"])', 'o["key"]'): "plus",
        _monolith(REFUSAL, 'return {"error": str(problem)}'): "no-status",
        _monolith(REFUSAL, REFUSAL.replace("400", "500")): "blame",
        _monolith(REFUSAL, 'return {"statusCode": 400, "body": ""}'): "silent",
        _monolith(REFUSAL, 'return {"statusCode": 400, "body": {"error": str(problem)}}'): "object",
        _monolith(REFUSAL, "raise"): "unhandled",
    },
    hints={
        "body-text": [
            "Lesson 00, section 4: what type has event['body']?",
            "json.loads turns the text into what it says.",
        ],
        "batch": [
            "A body may hold one upload, {...}, or a list of them, [...]. What do you return for a list?",
            "isinstance(found, list) tells them apart.",
        ],
        "one-record": ["How many records are in event['Records']?", "Make one upload of each: a list comprehension."],
        "plus": ["S3 writes a space as +. Section 9 has the function that reads it.", "unquote_plus(key)"],
        "no-status": [
            "What a client of the URL looks at first is the status.",
            'Return {"statusCode": 400, "body": ...}.',
        ],
        "blame": ["4xx: the caller's mistake. 5xx: ours. Whose is a missing size?"],
        "silent": [
            "Imagine to be the caller: what do you need to read in order to repair your request?",
            'json.dumps({"error": str(problem)}) as the body.',
        ],
        "object": ["The body of an HTTP response is text. How does a dictionary become JSON text?", "json.dumps(...)"],
        "unhandled": ["The `except` block is the place for an answer: return one."],
    },
)
def check_three_ways(estimate):
    """One memo on three ways, batches, and what strangers send."""
    memo = {"name": "mémo 01.wav", "size": "3.5 MB"}
    other = {"name": "b.wav", "size": "20 MB"}
    texts = ["mémo 01.wav: ready in 25 s", "b.wav: ready in 124 s"]
    single = estimate.invoke(events.function_url("/", "POST", body=memo))
    require(
        _estimates(single) == texts[:1], "body-text", f"A memo by HTTP: found {_told(single)}. Expected {texts[:1]}."
    )
    direct = estimate.invoke(memo)
    require(_estimates(direct) == texts[:1], "direct", f"A direct call: found {_told(direct)}, expected {texts[:1]}.")
    several = estimate.invoke(events.function_url("/", "POST", body=[memo, other]))
    require(_estimates(several) == texts, "batch", f"Two memos in one body: found {_told(several)}, expected {texts}.")
    _check_objects(estimate, texts)
    _check_rubbish(estimate)


def _check_objects(estimate, texts):
    sizes = {"mémo 01.wav": 3_500_000, "b.wav": 20_000_000}
    records = [events.s3("memos", key, size=size)["Records"][0] for key, size in sizes.items()]
    one = estimate.invoke({"Records": records[:1]})
    coded = [text for text in _estimates(one) or () if "+" in str(text) or "%" in str(text)]
    require(not coded, "plus", f"The name of an object: found {coded[:1]}, expected 'mémo 01.wav'.")
    require(_estimates(one) == texts[:1], "created", f"An object created: found {_told(one)}, expected {texts[:1]}.")
    both = estimate.invoke({"Records": records})
    require(_estimates(both) == texts, "one-record", f"An event of two records: found {_told(both)}, expected {texts}.")


def _check_rubbish(estimate):
    bodies = ['{"name": "a.wav"}', '{"name": "a.wav", "size": "big"}', "[]", "", '{"name": "a", "size": NaN}', "{half"]
    for event in ({"name": "a.wav"}, *(events.function_url("/", "POST", body=body) for body in bodies)):
        outcome = estimate.invoke(event)
        case = f"For {event.get('body', event)!r}"
        if outcome.error is not None:
            reject("unhandled", f"{case} it fails: {outcome.error.error_type}. Expected an answer with status 400.")
        answer = outcome.payload
        stated = isinstance(answer, dict) and "statusCode" in answer
        require(stated, "no-status", f"{case} it gives {answer!r}: a client sees status 200. Expected statusCode 400.")
        status = answer["statusCode"]
        require(status == 400, "blame", f"{case} the status is {status!r}, expected 400: the caller made the mistake.")
        body = answer.get("body")
        require(
            isinstance(body, (str, type(None))), "object", f"{case} the body is {body!r}: expected text, by json.dumps."
        )
        require(len(body or "") > 14, "silent", f"{case} the body is {body!r}: it does not say what was wrong.")


def _estimates(outcome):
    try:
        return json.loads(outcome.payload["body"])["estimates"]
    except (KeyError, TypeError, ValueError):
        return None


def _told(outcome):
    """An outcome in a few words: status and body, or what it is instead."""
    if outcome.error is not None:
        return f"an error, {outcome.error.message[:90]}"
    answer = outcome.payload
    if isinstance(answer, dict) and "statusCode" in answer:
        return f"status {answer['statusCode']} with {answer.get('body')}"[:130]
    return repr(answer)[:130]


# --- a chain of functions -----------------------------------------------------------------------------------

PARTS = ("memo_clean", "memo_predict", "memo_format")
FRONT = """%%function front --timeout 20
import json

import boto3

client = boto3.client("lambda")


def call(name, event):
    answer = client.invoke(FunctionName=name, Payload=json.dumps(event))
    said = json.load(answer["Payload"])
    if "FunctionError" in answer:
        raise ValueError(said["errorMessage"])
    return said


def handler(event, context):
    try:
        facts = json.loads(event["body"])
        steps = ["memo_clean", "memo_predict", "memo_format"]
        for step in steps:
            facts = call(step, facts)
    except (KeyError, TypeError, ValueError) as problem:
        return {"statusCode": 400, "body": json.dumps({"error": str(problem)})}
    return {"statusCode": 200, "body": json.dumps({"estimates": [facts]})}
"""


def _front(right, wrong):
    assert right in FRONT
    return FRONT.replace(right, wrong)


@exercises.behaviour(
    "pipeline",
    wrong={
        _front("facts = call(step, facts)", "answer = call(step, facts)"): "not-passed-on",
        _front(
            '["memo_clean", "memo_predict", "memo_format"]', '["memo_clean", "memo_format", "memo_predict"]'
        ): "order",
        _front('["memo_clean", "memo_predict", "memo_format"]', '["memo_clean", "memo_predict"]'): "left-out",
        _front('["memo_clean", "memo_predict", "memo_format"]', '["estimate"]'): "alone",
        _front('json.dumps({"estimates": [facts]})', 'json.dumps({"estimates": facts})'): "no-list",
        _front('return {"statusCode": 200, "body": json.dumps({"estimates": [facts]})}', "return facts"): "no-status",
    },
    hints={
        "not-passed-on": [
            "What does the second function get: the upload, or the answer of the first?",
            "facts = call(step, facts): each answer is the next event.",
        ],
        "order": ["`memo_format` needs the seconds. Who computes them?", "memo_clean, memo_predict, memo_format."],
        "left-out": ["Three functions, three calls. Which one was not called?"],
        "alone": ["The work is for memo_clean, memo_predict and memo_format: call each of them."],
        "no-list": ["Compare with the monolith's answer, character by character: a list, even for one."],
        "no-status": ["Step 4: the client wants what the monolith gave: a status and a body."],
    },
)
def check_pipeline(front):
    """A good upload and a bad one: what comes back, who was called how often, and where."""
    for upload, text in (
        ({"name": "a.wav", "size": "5 MB"}, "a.wav: ready in 34 s"),
        ({"name": "c.wav", "size": "10 MB"}, "c.wav: ready in 64 s"),
    ):
        _check_chain(front, upload, text)
    places = {front.lab.trace(name).environment_id for name in (front.name, *PARTS)}
    require(len(places) == 4, "places", f"The four functions ran in {len(places)} environments, expected 4.")
    _check_refusal(front)


def _check_chain(front, upload, text):
    outcome, called = _counted(front, upload)
    if outcome.error is not None:
        reject("fails", f"`front` fails: {outcome.error.error_type}: {outcome.error.message}.")
    payload, told = outcome.payload, _told(outcome)
    require(
        any(called.values()), "alone", "None of memo_clean, memo_predict, memo_format was called; expected each once."
    )
    early = called["memo_format"] and not called["memo_predict"]
    require(not early, "order", f"`memo_format` was called before `memo_predict`, and the answer is {told}.")
    stated = isinstance(payload, dict) and "statusCode" in payload
    refused = stated and payload["statusCode"] != 200
    require(not refused, "not-passed-on", f"A good upload is refused: {told}. Which step did not get what it needs?")
    skipped = [f"{name} {times} times" for name, times in called.items() if times != 1]
    require(not skipped, "left-out", f"For one upload it called {', '.join(skipped)}; expected each part once.")
    require(stated, "no-status", f"Found {payload!r}; expected a statusCode and a body.")
    found = _estimates(outcome)
    require(isinstance(found, list), "no-list", f"Found {told}: expected a list of one estimate.")
    require(found == [text], "estimate", f"Found {found}, expected {[text]}.")


def _check_refusal(front):
    outcome, called = _counted(front, {"name": "a.wav"})
    refused = outcome.error is None and isinstance(outcome.payload, dict) and outcome.payload.get("statusCode") == 400
    require(refused, "refusal", f"An upload without a size gives {_told(outcome)}; expected status 400.")
    goes_on = called["memo_predict"] or called["memo_format"]
    require(not goes_on, "goes-on", "After `memo_clean` had refused an upload, the next part was called all the same.")


def _counted(front, upload):
    """The outcome, and how often each part was called for it."""
    before = {name: len(front.lab.traces(name)) for name in PARTS}
    outcome = front.invoke(events.function_url("/", "POST", body=upload))
    return outcome, {name: len(front.lab.traces(name)) - before[name] for name in PARTS}


# --- choose and judge ---------------------------------------------------------------------------------------

exercises.answer(
    "platform",
    wrong={
        "FaaS FaaS FaaS FaaS": "These are the totals without weights. Each client weighs the columns differently.",
        "server FaaS FaaS BaaS": "Only the largest weight was looked at. All five count: multiply and add.",
        "BaaS server BaaS server": "These are the smallest totals. A high score is good.",
        "BaaS CaaS FaaS server": "Right words, wrong order: lab, demo, shop, club.",
        "server, FaaS, CaaS, BaaS": "Write the four words without commas.",
    },
    hints={
        "wrong": [
            "For `lab` and FaaS: 0·4 + 0·4 + 0·3 + 4·0 + 6·1 = 6. Do it for all four homes.",
            "scores @ weights['lab']",
        ],
        "FaaS FaaS FaaS FaaS": [
            "Multiply each score by the client's weight before you add.",
            "scores @ weights['lab']",
        ],
        "server FaaS FaaS BaaS": ["For `shop` three columns have the weight 3. Add all of them."],
    },
)

exercises.answer(
    "flip",
    wrong={
        "idle": "That is the largest weight. It has to fall by 3.67 before CaaS draws level; another needs less.",
        "upkeep": "BaaS, the second, gains only 1 per point there: 5 points. Look at the other rivals, too.",
        "control": "CaaS gains 2 per point there: 5.5 points are needed. Another weight needs less.",
        "scaling": "FaaS and BaaS have the best scores there: raising this weight helps the winner, or nobody.",
    },
    hints={
        "wrong": ["Write one of: idle, scaling, upkeep, hours, control."],
        "idle": [
            "How much a rival gains per point is the difference of the two scores.",
            "Points needed = lead / difference.",
        ],
        "upkeep": [
            "Try all rivals, not only the second.",
            "Which column has the largest difference of scores against FaaS?",
        ],
        "control": ["Points needed = lead / difference of scores.", "In which column is the difference 4?"],
    },
)

TRUE, FALSE, DEPENDS = "true", "false", "depends"
CLAIMS = {
    "Serverless means that there is no server.": (
        FALSE,
        "servers",
        "You counted processes: on which machine did they run?",
    ),
    "More events at once: the platform starts more environments.": (TRUE, "scaling", "Sections 3 and 4 showed it."),
    "A function that needs more memory gets it by itself.": (FALSE, "memory", "Whose duty was memory in section 5?"),
    "99.95 % availability allows 21.6 minutes of failure in 30 days.": (
        TRUE,
        "arithmetic",
        "Compute 30 · 24 · 60 · 0.0005.",
    ),
    "Paying per use is cheaper than a server.": (DEPENDS, "absolute", "On which side of the crossing of section 7?"),
    "What a handler puts into a global is there in the next call.": (
        DEPENDS,
        "global",
        "In which process does the next call run?",
    ),
    "An empty handler shows up as an error at the caller.": (
        FALSE,
        "null",
        "Which status did the client of `prepare` get?",
    ),
    "With FaaS, security is the provider's business.": (
        FALSE,
        "shared",
        "Who decides who may call, and who refuses rubbish?",
    ),
}


def _claims(at, verdict):
    answers = {claim: right for claim, (right, _, _) in CLAIMS.items()}
    return "claims = " + repr(answers | {list(CLAIMS)[at]: verdict})


@exercises.property(
    "claims",
    wrong={
        _claims(0, TRUE): "servers",
        _claims(2, TRUE): "memory",
        _claims(4, TRUE): "absolute",
        _claims(5, FALSE): "global",
        _claims(6, TRUE): "null",
        _claims(7, TRUE): "shared",
        _claims(3, FALSE): "arithmetic",
        _claims(0, False): "words",
    },
    hints={
        "servers": ["Less: what changes is who owns and runs them."],
        "memory": [
            "What grows by itself is the number of environments. Is it their size, too?",
            "--memory is a setting.",
        ],
        "absolute": [
            "At 0.1 million requests which one is cheaper? And at 40 million?",
            "A claim that turns round depends.",
        ],
        "global": ["Section 3: `in turn` the count went on; `at the same time` two callers saw 1."],
        "null": ["Look at the output of section 6: 200 null."],
        "shared": [
            "The provider secures the machines. Look at the twelve duties for what is left.",
            "Shared: so the claim is false.",
        ],
        "arithmetic": ["30 days are 43,200 minutes. 0.05 % of them?"],
    },
)
def check_claims(claims):
    """Each claim has its verdict."""
    odd = [verdict for verdict in claims.values() if verdict not in (TRUE, FALSE, DEPENDS)]
    require(not odd, "words", f"Found {odd[:1]}; expected 'true', 'false' or 'depends', in quotes.")
    missing = [claim for claim in CLAIMS if claim not in claims]
    require(not missing, "missing", f"The claim {missing[:1]} is gone; eight were there.")
    for claim, (verdict, diagnosis, question) in CLAIMS.items():
        require(claims[claim] == verdict, diagnosis, f"{claim!r}: you say {claims[claim]!r}. {question}")


exercises.explain("hatching", words=8)
