"""Certifies a least-squares problem. Post X and y; get its condition, rank, coefficients and the digits to trust.

The event, or the JSON body of an HTTP request, is {"X": rows, "y": values} with, if wanted, "intercept": true (puts a
column of ones before X) and "coef": the coefficients that somebody claims, in X's order, the intercept's first.
The answer is {"statusCode": 200, "body": ...}; the body is JSON and holds rows, columns, kappa, kappa_scaled (columns
of equal length), rank, method, coef, digits_expected and warning (null if there is none). With "coef" it also holds
digits_agreed and certified. What is no such problem gets statusCode 400 and {"error": ...}.

Needs numpy and the standard library only. Lesson 03 explains each step; other lessons deploy it as it is:
`%%function certify --include ../03-digits/certifier.py`, with the one line `from certifier import handler`.
"""

# ruff: noqa: N803, N806 - X is the name of a design matrix

import json

import numpy as np

EPS = 2.0**-52
MOST, LARGEST, SMALLEST, FEW = 20_000, 1e100, 1e-100, 6.0


class BadRequest(ValueError):
    """The event is no least-squares problem; the message says why."""


def numbers(event, name, ndim):
    """event[name] as an array of floats. Raises BadRequest."""
    if name not in event:
        raise BadRequest(f'{name} is missing. Send {{"X": [[1, 2], ...], "y": [3, ...]}}.')
    try:
        found = np.array(event[name])
    except ValueError:
        raise BadRequest(f"{name} is no table: its rows have different lengths.") from None
    if found.dtype.kind not in "iuf" or found.ndim != ndim or found.size == 0:
        wanted = "a list of rows of numbers" if ndim == 2 else "a list of numbers"
        raise BadRequest(f"{name} must be {wanted}, and not empty; found {str(event[name])[:40]}.")
    if found.size > MOST:
        raise BadRequest(f"{name} has {found.size} numbers; at most {MOST} are accepted.")
    size = np.abs(found.astype(float))
    if not ((size <= LARGEST) & ((size >= SMALLEST) | (size == 0))).all():  # not true of NaN
        raise BadRequest(f"{name} holds NaN, or a size outside {SMALLEST:g} to {LARGEST:g}: change the unit.")
    return found.astype(float)


def request(event):
    """What is asked: the event itself, or the JSON body of an HTTP request. Raises BadRequest."""
    try:
        asked = json.loads(event["body"]) if isinstance(event, dict) and "body" in event else event
    except (TypeError, json.JSONDecodeError):
        raise BadRequest("The body of the request is no JSON.") from None
    if not isinstance(asked, dict):
        raise BadRequest("The request must be an object with X and y.")
    return asked


def problem(event):
    """X and y of what is asked. Raises BadRequest."""
    X, y = numbers(event, "X", 2), numbers(event, "y", 1)
    if event.get("intercept"):
        X = np.column_stack([np.ones(len(X)), X])
    if len(y) != len(X):
        raise BadRequest(f"X needs a row for each value of y; found {len(X)} rows and {len(y)} values.")
    return X, y


def lengths(X):
    """The length of each column; 1 for a column of zeros."""
    found = np.linalg.norm(X, axis=0)
    return np.where(found == 0, 1.0, found)


def solve(X, y):
    """Least squares by QR, with columns of equal length."""
    length = lengths(X)
    q, r = np.linalg.qr(X / length)
    return np.linalg.solve(r, q.T @ y) / length


def agreement(coef, reference, length):
    """Digits in which the worst coefficient agrees. One without weight in the fit is compared with 0."""
    weight = np.abs(reference) * length
    floor = max(1e-8 * weight.max(), 1e-300)
    error = np.abs(coef - reference) * length / np.maximum(weight, floor)
    return round(float(-np.log10(np.clip(error.max(), 1e-15, 1e15))), 1) + 0.0  # not -0.0


def expected(X, y, coef):
    """Digits that stay when every number is nudged by one unit in its last place."""
    rng, found = np.random.default_rng(0), []
    for _ in range(5):
        nudged_X = X * (1 + EPS * rng.integers(-1, 2, X.shape))
        nudged_y = y * (1 + EPS * rng.integers(-1, 2, y.shape))
        found.append(agreement(solve(nudged_X, nudged_y), coef, lengths(X)))
    return max(0.0, min(found))


def rank_of(X):
    """How many columns are independent, beyond rounding."""
    values = np.linalg.svd(X / lengths(X), compute_uv=False)
    return int((values > max(X.shape) * EPS * values[0]).sum())


def certificate(event):
    """Everything that is known about a problem. Raises BadRequest."""
    X, y = problem(event)
    rank, p = rank_of(X), X.shape[1]
    found = {"rows": len(X), "columns": p, "rank": rank}
    if rank < p:
        coef, stay = np.linalg.lstsq(X, y, rcond=None)[0], 0.0
        found |= {"method": "SVD, minimum norm", "kappa": None, "kappa_scaled": None}
    else:
        coef = solve(X, y)
        stay = expected(X, y, coef)
        kappa, kappa_scaled = np.linalg.cond(X), np.linalg.cond(X / lengths(X))
        found |= {"method": "QR", "kappa": float(kappa), "kappa_scaled": float(kappa_scaled)}
    found |= {"coef": coef.tolist(), "digits_expected": stay, "warning": warning(rank, p, stay)}
    if "coef" in event:
        found |= verdict(claim(event, p), coef, lengths(X), limit=min(FEW, stay - 1.5) if rank == p else None)
    return found


def warning(rank, columns, stay):
    """What a user of these coefficients must know, or None."""
    if rank < columns:
        return f"Rank {rank} of {columns} columns: infinitely many coefficients fit as well. Drop a column."
    if stay < FEW:
        return f"Only {stay:.1f} digits can be trusted. Centre the columns or choose another basis."
    return None


def claim(event, columns):
    """The claimed coefficients. Raises BadRequest."""
    claimed = numbers(event, "coef", 1)
    if len(claimed) != columns:
        raise BadRequest(f"coef needs {columns} values, the intercept's included; found {len(claimed)}.")
    return claimed


def verdict(claimed, coef, length, limit):
    """Whether the claim agrees in `limit` digits; without a limit (no full rank) nothing is certified."""
    agreed = agreement(claimed, coef, length)
    return {"digits_agreed": agreed, "certified": limit is not None and agreed >= limit}


def reply(status, body):
    """An answer as API Gateway and function URLs want it."""
    return {"statusCode": status, "body": json.dumps(body)}


def handler(event, context):
    """Answers 200 with a certificate, or 400 with what is wrong with the request."""
    try:
        return reply(200, certificate(request(event)))
    except BadRequest as wrong:
        return reply(400, {"error": str(wrong)})
