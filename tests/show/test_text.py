"""Exact texts for fixed records."""

from __future__ import annotations

from dataclasses import replace
from textwrap import dedent

from hypothesis import example, given
from hypothesis import strategies as st

from labkit.model import Outcome, Outcomes, Status
from labkit.show import text

LAB = {
    "endpoint": "http://127.0.0.1:4566",
    "pid": 123,
    "uptime_s": 65.2,
    "account_id": "123456789012",
    "region": "us-east-1",
    "environments": [{"id": "e1", "function": "predict", "phase": "idle", "pid": 77, "memory_mb": 96}],
    "functions": 2,
    "memory_mb": 61.3,
    "limits": ["CPU is not limited."],
}


def test_a_function_shows_what_was_chosen_and_packed(function):
    shown = text.function(function(requirements=("numpy==2.4.6",), variables={"STAGE": "s3cret", "MODEL": "m"}))
    assert shown == (
        "predict: created\n"
        "  handler       predict.handler (python3.13)\n"
        "  limits        256 MB of memory, 3 seconds per call\n"
        "  package       1.2 kB, SHA-256 n4bQgYhMfWWa…\n"
        "  version       $LATEST\n"
        "  requirements  numpy==2.4.6\n"
        "  variables     MODEL, STAGE (values are not shown)\n"
        "  ARN           arn:aws:lambda:us-east-1:123456789012:function:predict"
    )


def test_a_function_with_a_missing_module_says_what_to_do_about_it(function):
    last = text.function(function(missing=("foo", "bar"))).splitlines()[-2:]
    assert last == [
        "  missing       foo and bar were found nowhere. They must be installed in the notebook's",
        "                environment, or shipped with --include.",
    ]


def test_values_of_variables_are_never_shown(function):
    assert "s3cret" not in text.function(function(variables={"TOKEN": "s3cret"}))


def test_variables_given_as_pairs_are_named_without_their_values(function):
    shown = text.function(function(variables=(("STAGE", "s3cret"), ("MODEL", "m"))))
    assert "  variables     MODEL, STAGE (values are not shown)" in shown
    assert "s3cret" not in shown


def test_functions_are_listed_by_name(function):
    assert text.functions([function(name="train", memory_mb=1024), function()]) == (
        "2 functions deployed\n"
        "  function  handler          memory (MB)  timeout (s)  package  version\n"
        "  ---------------------------------------------------------------------\n"
        "  predict   predict.handler          256            3   1.2 kB  $LATEST\n"
        "  train     predict.handler        1,024            3   1.2 kB  $LATEST"
    )


def test_no_functions_say_how_to_deploy_one():
    assert text.functions([]) == "No function is deployed yet. Begin a cell with %%function NAME to deploy one."


BILL = "  bill  4 ms of 256 MB = 0.0010 GB-s; a million such calls USD 0.22 (AWS's prices of 2025-08-01)"


def test_a_success_is_its_times_and_its_result(outcome):
    assert text.outcome(outcome({"label": "setosa"})) == (
        f'success · predict · 4.00 ms · warm · billed 4 ms · 96 of 256 MB\n{BILL}\n{{"label": "setosa"}}'
    )


def test_a_cold_call_says_where_its_init_went(outcome, cold):
    assert text.outcome(outcome(1, trace=cold())).split("\n")[1:3] == [
        "  init  process start 10.0 ms, runtime start 20.0 ms, imports 40.0 ms, module init 20.0 ms",
        "  bill  98 ms of 256 MB = 0.025 GB-s; a million such calls USD 0.61 (AWS's prices of 2025-08-01)",
    ]


def test_a_failure_shows_error_place_and_prints(failed):
    stack = ('  File "/var/task/predict.py", line 4, in handler\n    return 1/0\n',)
    log = "START RequestId: a Version: $LATEST\nabout to divide\nEND RequestId: a\n"
    assert text.outcome(failed("ZeroDivisionError", "division by zero", stack, log_tail=log)) == (
        "error · predict · 4.00 ms · warm · billed 4 ms · 96 of 256 MB\n"
        f"{BILL}\n"
        "ZeroDivisionError: division by zero\n"
        '  File "/var/task/predict.py", line 4, in handler\n'
        "    return 1/0\n"
        "           ~^~\n"
        "log:\n"
        "  about to divide"
    )


def test_times_stand_on_the_first_lines_only(failed, warm):
    log = "REPORT RequestId: a\tDuration: 4.00 ms\n"
    slow, fast = (text.outcome(failed("E", "m", trace=warm(t), log_tail=log)) for t in (0.9, 0.004))
    assert slow.split("\n")[0] != fast.split("\n")[0]
    assert slow.split("\n")[2:] == fast.split("\n")[2:]


def test_a_comparison_shows_calls_parts_imports_and_how_many_times(series):
    shown = text.outcomes(series(imports=(("numpy", 0.03), ("json", 0.001))))
    assert shown == (
        "Where does the first call spend its time?\n\n"
        "Time per call, from the request's arrival to the handler's end\n"
        "  series  start  calls  median (ms)  95 % interval (ms)\n"
        "  -----------------------------------------------------\n"
        "  model   cold       7          100          100 to 100\n"
        "          warm       9         5.00        5.00 to 5.00\n\n"
        "Parts of a cold start (medians)\n"
        "  part                model (ms)  share\n"
        "  -------------------------------------\n"
        "  process start             10.0   10 %\n"
        "  runtime start             20.0   20 %\n"
        "  imports                   40.0   40 %\n"
        "  module init               20.0   20 %\n"
        "  hand-over                 2.00    2 %\n"
        "  first handler call        8.00    8 %\n\n"
        "The longest imports (medians)\n"
        "  series  import  time (ms)\n"
        "  -------------------------\n"
        "  model   numpy        30.0\n"
        "          json         1.00\n\n"
        "model: the first call takes 20 times as long as a warm one.\n\n"
        "Each part is a median of its own: they need not add up to the median of the whole call.\n"
        "Hand-over is what is left of the wait: taking the request in and passing it on.\n"
        "Intervals are bootstrap percentile intervals of the median."
    )


def test_a_ratio_comes_with_its_interval_where_calls_differ(cold, warm):
    traces = [cold(1 + k / 10) for k in range(7)] + [warm()] * 7
    shown = text.outcomes(Outcomes("f", tuple(Outcome("f", Status.SUCCESS, trace=t) for t in traces)))
    assert "f: the first call takes 26 (22 to 30) times as long as a warm one." in shown


def test_a_ratio_that_may_be_one_is_not_sold_as_a_difference(cold, warm):
    traces = [cold(scale) for scale in (0.5, 1, 2)] + [warm(d) for d in (0.04, 0.099, 0.2)]
    shown = text.outcomes(Outcomes("f", tuple(Outcome("f", Status.SUCCESS, trace=t) for t in traces)))
    assert "f: the first call takes about as long (" in shown


def test_two_series_are_compared_by_their_first_calls(series):
    shown = text.outcomes(series("small", 1.0) + series("large", 3.0))
    assert "First calls compared: large takes 3.0 times as long as small." in shown


def test_the_warm_calls_of_two_series_are_compared_too(series, warm):
    slow = Outcomes("slow", tuple(Outcome("slow", Status.SUCCESS, trace=warm(0.011, 0.001)) for _ in range(7)))
    assert "Warm calls compared: slow takes 2.4 times as long as fast." in text.outcomes(series("fast") + slow)


def test_two_runs_of_one_function_can_be_told_apart(series):
    shown = text.outcomes(series("predict", 1.0) + series("predict", 3.0))
    assert "First calls compared: predict, run 2 takes 3.0 times as long as predict, run 1." in shown


def test_a_log_says_how_many_errors_and_warnings_are_in_it():
    lines = ["[ERROR] KeyError: 'x'", "  File ...", "[WARNING]\tlate", "done"]
    assert text.logs([("s", lines)]).startswith(
        "s (4 lines: 1 ERROR, 1 WARNING)\n  [ERROR] KeyError: 'x'\n    File ..."
    )


def test_a_trace_is_a_waterfall_with_its_imports_inside(cold):
    t = replace(cold(imports=(("numpy", 0.03), ("json", 0.01))), queued_s=0.1)
    assert text.trace(t) == (
        "success · predict · 108 ms from the request on · cold\n"
        "  part           begins (ms)  takes (ms)\n"
        "  --------------------------------------------------------------------------------\n"
        "  process start         0.00        10.0  ####\n"
        "  runtime start         10.0        20.0     ########\n"
        "  imports               30.0        40.0             ###############\n"
        "    numpy               30.0        30.0             -----------\n"
        "    json                60.0        10.0                        ----\n"
        "  module init           70.0        20.0                           ########\n"
        "  hand-over             90.0        10.0                                   ####\n"
        "  handler call           100        8.00                                       ###\n"
        "  bill         98 ms of 256 MB = 0.025 GB-s; a million such calls USD 0.61 (AWS's prices of\n"
        "               2025-08-01)\n"
        "  memory       96 of 256 MB\n"
        "  request      r1\n"
        "  environment  e1\n"
        "Hand-over is measured as a whole, and drawn between the init and the handler."
    )


def test_environments_are_lanes_of_marks(cold, warm):
    traces = [
        cold(10, environment_id="e1"),
        warm(0.5, 0, arrived_at=3.0, environment_id="e2", status=Status.ERROR),
        warm(0.5, 0, arrived_at=5.5, environment_id="e1"),
    ]
    table = text.environments(traces).split("\n")
    assert table[:2] == [
        "predict: 3 calls in 2 environments, 6,000 ms in all",
        "  environment  function  calls  failed  busy (ms)  0 to 6,000 ms",
    ]
    assert table[3] == "  e1           predict       2                580  " + "iiiiiiiiii#" + "-" * 44 + "#####"
    assert table[4] == "  e2           predict       1       1        500  " + " " * 30 + "xxxxxx"


def test_no_traces_say_when_there_will_be_some():
    assert text.environments([]).startswith("There are no traces yet")


def test_few_calls_come_with_a_warning_about_their_interval(series):
    assert "With 3 calls even the whole range can miss the true median" in text.outcomes(series(n_cold=3))


def test_a_single_cold_call_has_no_interval(series):
    assert "cold       1          100      one call: none" in text.outcomes(series(n_cold=1))


def test_calls_that_failed_are_counted(series):
    some = Outcomes("model", (*series().items, Outcome("model", Status.THROTTLED)))
    assert "model: 1 of 17 calls did not succeed (1 throttled)" in text.outcomes(some)


def test_nothing_measured_is_said_plainly():
    assert "  cold       0            -                   -" in text.outcomes(Outcomes("empty", ()))


def test_logs_are_shown_by_stream():
    assert text.logs([("2025/11/21/[1]ab", ["START\n", "one\ttwo\n"]), ("2025/11/21/[1]cd", ["three"])]) == (
        "2025/11/21/[1]ab (2 lines)\n  START\n  one\ttwo\n\n2025/11/21/[1]cd (1 line)\n  three"
    )


def test_a_stream_given_as_one_text_is_shown_by_lines():
    assert text.logs([("s", "START\none\n")]) == text.logs([("s", ["START", "one"])])


def test_no_log_lines_say_when_there_will_be_some():
    assert text.logs([("stream", []), ("other", "")]).startswith("There are no log lines yet")


def test_a_lab_shows_its_environments_and_limits():
    assert text.lab(LAB) == (
        "Lab at http://127.0.0.1:4566\n"
        "  account    123456789012\n"
        "  region     us-east-1\n"
        "  functions  2\n"
        "  emulator   process 123, up 1 min 5 s, 61 MB\n\n"
        "1 execution environment\n"
        "  environment  function  phase  process  memory (MB)\n"
        "  --------------------------------------------------\n"
        "  e1           predict   idle        77           96\n\n"
        "Not enforced on this machine:\n"
        "  - CPU is not limited."
    )


def test_a_lab_without_environments_says_so_without_an_empty_table():
    assert text.lab({**LAB, "environments": []}).split("\n\n")[1] == "0 execution environments"


def test_an_endpoint_that_reports_little_is_shown_with_what_it_reports():
    assert text.lab({"endpoint": "https://example.org", "region": "eu-west-1"}) == (
        "Lab at https://example.org\n  region  eu-west-1"
    )


@given(st.text(), st.text(), st.text())
@example("\n0", "", "")
def test_no_line_ends_in_blanks_and_no_control_character_gets_through(name, message, log):
    shown = text.outcome(Outcome(name, Status.SUCCESS, message, log_tail=log))
    assert all(line == line.rstrip() for line in shown.split("\n"))
    assert not set(shown) & {chr(code) for code in (*range(9), *range(11, 32), 127)}


def test_two_series_alike_are_not_ranked(cold):
    traces = [cold(scale) for scale in (0.8, 0.9, 1.0, 1.1, 1.2, 1.3)]
    one, other = (Outcomes(name, tuple(Outcome(name, Status.SUCCESS, trace=t) for t in traces)) for name in "ab")
    assert "First calls compared: a takes about as long (1.0 times, " in text.outcomes(one + other)


def test_a_simulation_says_what_became_of_the_requests_and_what_it_took(simulation):
    assert text.simulation(simulation) == dedent("""\
        predict: given times, for 14.5 s
          requests      20: 14 served, 6 throttled, 0 failed
          cold starts   4 (29 % of the calls)
          time          median 500 ms, 95 % within 1,500 ms, 99 % within 1,500 ms
          concurrency   0.76 on average, 4 at most
          environments  4 started, about 4 alive at most
          throttled     30 %: 6 ReservedFunctionConcurrentInvocationLimitExceeded
          cost          USD 0.000049 for 2.8 GB-s (AWS's prices of 2025-08-01)
        Simulated in virtual time by the emulator's own scheduler. Service and init times are those that
        were given or measured here, never AWS's.""")
