"""What is said about one call: what to try, which lines of the log, which frames."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.model import FunctionError, Status
from labkit.show.calls import LINES_SHOWN, LONGEST_LINE, billed, call, payload_lines

OWN = '  File "/var/task/predict.py", line 4, in handler\n    return 1/0\n'
LIBRARY = '  File "/opt/venv/lib/python3.13/site-packages/numpy/linalg.py", line 9, in solve\n    raise E\n'
FROZEN = '  File "<frozen importlib._bootstrap>", line 1360, in _find_and_load\n'


def test_the_headline_of_a_cold_call_names_init_bill_and_memory(outcome, cold):
    headline = call(outcome(1, trace=cold())).headline
    assert headline == "success · predict · 8.00 ms · cold, 90.0 ms init · billed 98 ms · 96 of 256 MB"


def test_a_throttled_call_names_the_reason(outcome):
    error = FunctionError("TooManyRequestsException", "Rate Exceeded. (ConcurrentInvocationLimitExceeded)")
    headline = call(outcome(status=Status.THROTTLED, error=error, trace=None)).headline
    assert headline == (
        "throttled · predict · ConcurrentInvocationLimitExceeded:"
        " all environments that the account may have at once are busy"
    )


def test_the_reserved_limit_is_not_mistaken_for_the_accounts(outcome):
    payload = {"Reason": "ReservedFunctionConcurrentInvocationLimitExceeded"}
    headline = call(outcome(payload, status=Status.THROTTLED, trace=None)).headline
    assert "the function's reserved concurrency is used up" in headline


def test_a_throttled_call_without_a_reason_still_says_what_happened(outcome):
    assert "did not reach the function" in call(outcome(status=Status.THROTTLED, trace=None)).headline


def test_a_timeout_names_its_limit_and_the_option_that_raises_it(failed):
    message = "RequestId: abc Error: Task timed out after 1.50 seconds"
    (advice,) = call(failed("Sandbox.Timedout", message, status=Status.TIMEOUT)).advice
    assert "The limit is 1.5 s" in advice
    assert "--timeout 3" in advice


def test_a_suggested_timeout_never_exceeds_what_may_be_asked_for(failed):
    (advice,) = call(failed("Sandbox.Timedout", "Task timed out after 800.00 seconds", status=Status.TIMEOUT)).advice
    assert "--timeout 900" in advice


def test_a_call_killed_for_its_memory_names_the_limit_and_the_option_that_raises_it(failed, warm):
    trace = warm(status=Status.ERROR, error_type="Runtime.OutOfMemory")
    message = "RequestId: abc Error: Runtime exited with error: signal: killed"
    (advice,) = call(failed("Runtime.ExitError", message, trace=trace)).advice
    assert "256 MB" in advice
    assert "--memory 512" in advice


def test_an_exit_of_the_handlers_own_is_not_called_a_lack_of_memory(failed):
    message = "RequestId: abc Error: Runtime exited with error: exit status 3"
    (advice,) = call(failed("Runtime.ExitError", message)).advice
    assert "sys.exit()" in advice
    assert "--memory" not in advice


@pytest.mark.parametrize(("module", "package"), [("sklearn.linear_model", "scikit-learn"), ("pandas", "pandas")])
def test_a_missing_module_is_named_with_the_package_that_has_it(failed, module, package):
    message = f"Unable to import module 'predict': No module named '{module}'"
    (advice,) = call(failed("Runtime.ImportModuleError", message)).advice
    assert f"`{module}` is missing" in advice
    assert f"%pip install {package} " in advice


def test_a_plain_exception_gets_no_advice_beyond_its_own_message(failed):
    assert call(failed("ValueError", "bad")).advice == ()


def test_the_payload_of_an_error_is_not_shown_twice(failed):
    found = call(failed("ValueError", "bad"))
    assert (found.result, found.error) == ((), ("ValueError: bad",))


def test_a_message_of_several_lines_keeps_them(failed):
    assert call(failed("ValueError", "one\ntwo")).error == ("ValueError: one", "two")


def test_frames_of_libraries_are_counted_and_the_students_own_shown(failed):
    where = call(failed("E", "m", (OWN, LIBRARY, FROZEN))).where
    assert where == (
        '  File "/var/task/predict.py", line 4, in handler',
        "    return 1/0",
        "  … 2 frames in libraries left out",
    )


def test_frames_of_libraries_are_shown_where_there_are_no_others(failed):
    assert call(failed("E", "m", (FROZEN,))).where == (FROZEN.rstrip(),)


def test_the_log_keeps_prints_and_drops_what_the_headline_says(outcome):
    platform = "END RequestId: a\nREPORT RequestId: a\tDuration: 3\n"
    log = "START RequestId: a Version: 1\nloading\n\n  START of the loop\n" + platform
    assert call(outcome(1, log_tail=log)).log == ("loading", "", "  START of the loop")


def test_the_report_line_stays_where_no_trace_says_the_same(outcome):
    log = "START RequestId: a Version: 1\nREPORT RequestId: a\tDuration: 3.00 ms\n"
    assert call(outcome(1, log_tail=log, trace=None)).log == ("REPORT RequestId: a\tDuration: 3.00 ms",)


def test_a_failed_init_reported_by_the_platform_stays_in_the_log(failed):
    log = "INIT_REPORT Init Duration: 9999.79 ms\tPhase: init\tStatus: timeout\n"
    assert call(failed("E", "m", log_tail=log)).log == (log.rstrip(),)


JSON_LOG = (
    '{"time":"2026-10-08T07:30:28.235Z","type":"platform.start","record":{"requestId":"a","version":"1"}}\n'
    '{"timestamp":"2026-10-08T07:30:28Z","level":"INFO","message":"loading","logger":"root"}\n'
    '{"time":"2026-10-08T07:30:29.470Z","type":"platform.report","record":{"requestId":"a","status":"success"}}\n'
)
FAILED_INIT = (
    '{"time":"2026-10-08T07:30:28.235Z","type":"platform.initReport","record":{"phase":"init","status":"timeout"}}'
)


def test_of_a_json_log_the_platforms_records_are_dropped(outcome):
    assert call(outcome(1, log_tail=JSON_LOG)).log == (JSON_LOG.splitlines()[1],)


def test_of_a_json_log_the_report_stays_where_no_trace_says_the_same(outcome):
    assert call(outcome(1, log_tail=JSON_LOG, trace=None)).log == tuple(JSON_LOG.splitlines()[1:])


def test_a_failed_init_in_json_stays_in_the_log(failed):
    good = FAILED_INIT.replace("timeout", "success")
    assert call(failed("E", "m", log_tail=f"{good}\n{FAILED_INIT}\n")).log == (FAILED_INIT,)


def test_the_runtimes_own_copy_of_the_error_in_json_is_dropped(failed):
    own = '{"timestamp":"2026-10-08T07:30:28Z","level":"ERROR","errorMessage":"m","errorType":"E","stackTrace":[]}'
    logged = own.replace('"errorMessage"', '"message":"caught","errorMessage"')
    broken = '{"timestamp": nothing'
    assert call(failed("E", "m", log_tail="\n".join([own, logged, broken]))).log == (logged, broken)


@pytest.mark.parametrize("end", ["\n", "\r"])
def test_the_runtimes_own_copy_of_the_error_is_dropped_from_the_log(failed, end):
    block = ["[ERROR] KeyError: 'x'", "Traceback (most recent call last):"]
    block += ['\xa0\xa0File "/var/task/predict.py", line 4, in handler', "\xa0\xa0\xa0\xa0return event['x']"]
    log = "before\n" + end.join(block) + "\nafter\n"
    assert call(failed("KeyError", "'x'", (OWN,), log_tail=log)).log == ("before", "after")


def test_a_print_that_looks_like_another_error_is_kept(failed):
    log = "[ERROR] ValueError: from my own logger\n"
    assert call(failed("KeyError", "'x'", log_tail=log)).log == ("[ERROR] ValueError: from my own logger",)


def test_a_short_payload_stands_on_one_line():
    assert payload_lines({"a": [1, 2], "b": "ö"}) == ['{"a": [1, 2], "b": "ö"}']


def test_none_is_shown_as_the_null_that_was_answered():
    assert payload_lines(None) == ["null"]


def test_a_long_list_of_numbers_fills_its_lines():
    lines = payload_lines({"p": list(range(60))})
    assert lines[:2] == ["{", '  "p": [']
    assert len(lines) == 7


def test_a_long_payload_is_cut_and_says_how_much_is_left():
    lines = payload_lines([{"row": k, "text": "x" * 20} for k in range(50)])
    assert len(lines) == LINES_SHOWN + 1
    assert lines[-1] == "… 32 more lines"


def test_a_long_string_is_cut_and_says_how_much_is_left():
    (line,) = payload_lines("x" * 1000)
    assert line == '"' + "x" * 399 + "… 602 more characters"


def test_the_rest_of_a_long_payload_is_kept_for_a_fold(outcome):
    found = call(outcome([{"row": k, "text": "x" * 20} for k in range(50)]))
    assert (len(found.result), len(found.more)) == (LINES_SHOWN, 32)
    assert json.loads("\n".join(found.result + found.more))[49]["row"] == 49


def test_a_restored_call_says_what_it_is_billed_and_no_phases(outcome, warm):
    times = dict(call(outcome(1, trace=warm(queued_s=0.3, restore_s=0.2))).times)
    assert times == {"bill": billed(warm(queued_s=0.3, restore_s=0.2))}
    assert times["bill"].startswith("204 ms of 256 MB = ")


def test_the_line_that_failed_is_marked(failed):
    frame = '  File "/var/task/predict.py", line 4, in handler\n    return 1 / event["n"]\n'
    assert call(failed("KeyError", "'n'", (frame,))).where[-1] == "               ~~~~~^^^^^"


def test_a_payload_that_is_no_json_is_shown_by_its_repr():
    assert payload_lines(b"raw") == ["b'raw'"]


SCALARS = st.none() | st.booleans() | st.integers(-(10**6), 10**6) | st.text('ab ö"\\,', max_size=20)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text("kx", max_size=9), inner),
    max_leaves=25,
)


@given(JSON)
def test_a_payload_shown_in_full_is_still_json_with_the_same_value(payload):
    lines = payload_lines(payload)
    if not lines[-1].startswith("… "):
        assert json.loads("\n".join(lines)) == payload


@given(st.lists(st.integers(), min_size=1))
def test_lines_of_a_filled_list_stay_within_the_width(payload):
    assert all(len(line) <= LONGEST_LINE for line in payload_lines(payload))
