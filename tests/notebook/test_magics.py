"""The magics in a real IPython shell on a real emulator."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import requests

from labkit.client import DeployedFunction, Outcome, Outcomes
from labkit.errors import (
    AmbiguousHandler,
    BadDuration,
    BadLoad,
    BadMagicLine,
    BadTrigger,
    InvocationFailed,
    MissingInclude,
    NoHandler,
    PayloadUnreadable,
    SourceSyntaxError,
    UndefinedNames,
    UnknownFunction,
)
from labkit.loadtest import LoadTest
from labkit.power import PowerTuning
from labkit.show import plots
from labkit.simulation import Simulation

pytestmark = pytest.mark.process

ECHO = "%%function echo\ndef handler(event, context):\n    return event\n"


def test_a_cell_becomes_a_function_bound_to_its_name(shell):
    shown = shell.run(ECHO)
    assert isinstance(shown, DeployedFunction)
    assert shell.names["echo"] is shown


def test_a_name_with_a_hyphen_is_bound_with_an_underscore(shell):
    shell.run(ECHO.replace("echo", "echo-it"))
    assert shell.names["echo_it"].name == "echo-it"


def test_o_binds_the_function_to_a_variable_too(shell):
    shell.run(ECHO.replace("%%function echo", "%%function echo -o mine"))
    assert shell.names["mine"] is shell.names["echo"]


def test_the_value_of_a_variable_is_nowhere_in_the_package(shell):
    shell.names["secret"] = "s3cret-of-mine"
    f = shell.run(
        "%%function f --env KEY={secret}\nimport os\ndef handler(event, context):\n"
        "    return [os.environ['KEY'], open(__file__).read()]\n"
    )
    value, text = f.invoke().payload
    assert value == "s3cret-of-mine"
    assert "s3cret" not in text


def test_every_option_arrives(shell, tmp_path):
    (tmp_path / "a.txt").write_text("A")
    (tmp_path / "b.txt").write_text("B")
    f = shell.run(
        "%%function f --memory 256 --timeout 7 --env ONE=1 --env TWO='x y' --include a.txt b.txt "
        "--handler second --description 'what it does'\n"
        "def first(event, context): pass\n"
        "def second(event, context): return open('a.txt').read() + open('b.txt').read()\n"
    )
    assert (f.memory_mb, f.timeout_s, dict(f.variables)) == (256, 7, {"ONE": "1", "TWO": "x y"})
    assert f.handler == "f.second"
    assert f.invoke().payload == "AB"


def test_an_unchanged_cell_is_not_deployed_again(shell):
    shell.run(ECHO)
    assert shell.run(ECHO).change == "unchanged"


def test_invoke_takes_json_with_spaces_and_dollars_as_it_is(shell):
    shell.run(ECHO)
    assert shell.run('%invoke echo {"a": [1, 2],  "b": "$HOME {x}", "c": null}').payload == {
        "a": [1, 2],
        "b": "$HOME {x}",
        "c": None,
    }


def test_invoke_takes_an_expression_of_the_notebook(shell):
    shell.run(ECHO)
    shell.names["X"] = np.array([[1.5, 2.5], [3.5, 4.5]])
    assert shell.run('%invoke echo {"x": X[0], "n": len(X)}').payload == {"x": [1.5, 2.5], "n": 2}


def test_invoke_takes_an_expression_of_the_function_it_stands_in(shell):
    shell.run(ECHO)
    shell.run("def ask():\n    local = 7\n    return get_ipython().run_line_magic('invoke', 'echo local')\nr = ask()")
    assert shell.names["r"].payload == 7


def test_invoke_takes_a_file(shell, tmp_path):
    shell.run(ECHO)
    (tmp_path / "event.json").write_text('{"from": "file"}')
    assert shell.run("%invoke echo @event.json").payload == {"from": "file"}


def test_invoke_without_a_payload_sends_an_empty_event(shell):
    shell.run(ECHO)
    assert shell.run("%invoke echo").payload == {}


def test_invoke_can_be_assigned(shell):
    shell.run(ECHO)
    shell.run("r = %invoke echo -5")
    assert shell.names["r"].payload == -5


def test_a_failing_handler_is_an_outcome(shell):
    shell.run(ECHO.replace("return event", "return event['x']"))
    outcome = shell.run("%invoke echo {}")
    assert isinstance(outcome, Outcome)
    assert 'File "/var/task/echo.py", line 3, in handler' in outcome.error.stack_trace[0]


def test_check_makes_a_failing_handler_an_error(shell):
    shell.run(ECHO.replace("return event", "return event['x']"))
    with pytest.raises(InvocationFailed, match="echo failed with KeyError"):
        shell.run("%invoke echo --check {}")


def test_coldstart_measures_and_draws(shell):
    shell.run(ECHO)
    outcomes = shell.run('%coldstart echo -n 2 --payload {"a": "b c"}')
    assert isinstance(outcomes, Outcomes)
    assert outcomes.items[0].payload == {"a": "b c"}
    shown = shell.show(outcomes)
    assert "cold" in shown["text/plain"]
    assert "<img" in shown["text/html"]
    assert 'alt="' in shown["text/html"]


def test_coldstart_compares_two_functions(shell):
    shell.run(ECHO)
    shell.run(ECHO.replace("echo", "other"))
    assert [s.label for s in shell.run("%coldstart echo other -n 1").series] == ["echo", "other"]


def test_coldstart_takes_memory_sizes(shell):
    shell.run(ECHO)
    assert [s.label for s in shell.run("%coldstart echo -n 1 --memory 128,256").series] == [
        "echo, 128 MB",
        "echo, 256 MB",
    ]


def test_simulate_runs_a_load_on_measured_times_and_draws(shell):
    shell.run(ECHO)
    shell.run("%coldstart echo -n 1")
    result = shell.run("%simulate echo --rate 20 --for 2m --pattern constant --limit 3")
    assert isinstance(result, Simulation)
    assert (len(result), result.label, result.for_s) == (2400, "echo", 120)
    assert result.peak_in_system <= 3
    shown = shell.show(result)
    assert "2,400" in shown["text/plain"]
    assert plots.alt_simulation(result) in shown["text/html"]


def test_loadtest_sends_a_load_with_a_payload_and_draws(shell):
    shell.run(ECHO)
    result = shell.run('%loadtest echo --rate 20 --for 1s --pattern constant --payload {"a": [1, 2]}')
    assert isinstance(result, LoadTest)
    assert (len(result), result.served) == (20, 20)
    shown = shell.show(result)
    assert "20: 20 served" in shown["text/plain"]
    assert plots.alt_loadtest(result) in shown["text/html"]
    assert shown["application/vnd.labkit.v1+json"]["kind"] == "loadtest"


def test_power_compares_sizes_and_draws(shell):
    shell.run(ECHO)
    result = shell.run("%power echo --memory 128,1769 -n 2 --strategy speed")
    assert isinstance(result, PowerTuning)
    assert ([row.memory_mb for row in result.rows], result.strategy) == ([128, 1769], "speed")
    shown = shell.show(result)
    assert "Modelled from" in shown["text/plain"]
    assert plots.alt_power(result) in shown["text/html"]


def test_functions_lists_what_is_deployed(shell):
    shell.run(ECHO)
    shown = shell.run("%functions")
    assert [f.name for f in shown.value] == ["echo"]
    assert "echo.handler" in repr(shown)


def test_logs_show_the_last_lines(shell):
    shell.run(ECHO.replace("return event", "print('seen', event)"))
    shell.run("%invoke echo 1")
    shown = shell.run("%logs echo -n 3")
    assert [line.split()[0] for line in shown.value[0][1]] == ["seen", "END", "REPORT"]


def test_lab_shows_the_emulator(shell, lab):
    assert lab.endpoint in repr(shell.run("%lab"))


def test_lab_advance_runs_the_retries_of_an_event(shell, tmp_path):
    note = tmp_path / "note"
    code = f"    open({str(note)!r}, 'a').write(context.aws_request_id + ' ')\n    return event['x']"
    shell.run(ECHO.replace("    return event", code))
    shell.run("%invoke echo --event {}")
    before = shell.run("%lab advance 0s").value
    shown = shell.run("%lab advance 1m 5s")
    assert (shown.value - before).total_seconds() >= 65
    assert f"{shown.value:%H:%M:%S} UTC" in repr(shown)
    assert len(note.read_text().split()) == 2
    shell.run("%lab advance 2m")
    assert len(note.read_text().split()) == 3
    assert len(set(note.read_text().split())) == 1


def test_records_show_text_html_and_facts(shell):
    shell.run(ECHO)
    for value in (shell.names["echo"], shell.run("%invoke echo 1")):
        shown = shell.show(value)
        assert set(shown) >= {"text/plain", "text/html", "application/vnd.labkit.v1+json"}
        json.dumps(shown["application/vnd.labkit.v1+json"])


@pytest.mark.parametrize(
    ("cell", "error", "message"),
    [
        ("%%function f\nx = 1", NoHandler, "No handler in this cell"),
        ("%%function f\ndef handler(e, c:\n    pass", SourceSyntaxError, r"line 2 of the cell"),
        ("%%function f\ndef a(e, c): pass\ndef b(e, c): pass", AmbiguousHandler, "a, b"),
        (
            "%%function f\n\ndef handler(e, c):\n    return scaler.transform(e)",
            UndefinedNames,
            "`scaler` is used on line 4 but not defined in this cell: define it here, or ship it with --include",
        ),
        ("%%function f --include no.txt\ndef handler(e, c): pass", MissingInclude, r"no\.txt"),
        ("%%function f --memroy 256\ndef handler(e, c): pass", BadMagicLine, "Did you mean --memory"),
        ("%%function f --memory 1 --memory 2\ndef handler(e, c): pass", BadMagicLine, "stands 2 times"),
        ("%%function f --memory\ndef handler(e, c): pass", BadMagicLine, "expected one argument"),
        ("%%function f --env X\ndef handler(e, c): pass", BadMagicLine, "NAME=VALUE"),
        ("%%function\ndef handler(e, c): pass", BadMagicLine, "required: name"),
        ('%%function f --description "open\ndef handler(e, c): pass', BadMagicLine, "cannot be read"),
        ("%invoke predcit {}", UnknownFunction, "No function `predcit`"),
        ("%invoke echo {oops", PayloadUnreadable, "neither JSON"),
        ("%invoke echo nowhere", PayloadUnreadable, "`nowhere`"),
        ("%invoke echo 1/0", PayloadUnreadable, "ZeroDivisionError"),
        ("%invoke echo @none.json", PayloadUnreadable, r"@none\.json"),
        ("%coldstart echo -n 0", BadMagicLine, "at least one"),
        ("%coldstart echo --memory 1;2", BadMagicLine, "whole numbers"),
        ("%simulate echo --rate 5", BadMagicLine, "required: --for"),
        ("%simulate echo --rate 5 --for soon", BadDuration, "'soon' is no duration"),
        ("%simulate echo --rate 5 --for 1m --pattern poison", BadLoad, r"no pattern poison\. Did you mean poisson"),
        ("%simulate echo --rate 0 --for 1m", BadLoad, "the rate is 0; expected more than 0"),
        ("%loadtest echo --rate 5", BadMagicLine, "required: --for"),
        ("%loadtest echo --rate -5 --for 1s", BadLoad, "the rate is -5; expected more than 0"),
        ("%loadtest echo --rate 5 --for 300d", BadLoad, "too long for a live load"),
        ("%loadtest echo --rate 5 --for 999d", BadDuration, "expected 0 s to 366 d"),
        ("%loadtest echo --rate 1000 --for 1h", BadLoad, "more than 1,000,000 requests"),
        ("%loadtest echo --rate 5 --for 1s --pattern poison", BadLoad, "Did you mean poisson"),
        ("%loadtest ehco --rate 5 --for 1s", UnknownFunction, "echo"),
        ("%power echo --memory 64", BadLoad, "64 MB: a function has 128 to 10,240 MB"),
        ("%power echo --memory ,", BadLoad, "no memory size"),
        ("%power echo --strategy balaned", BadLoad, "Did you mean balanced"),
        ("%power echo -n 0", BadLoad, "at least 1"),
        ("%logs nothing", UnknownFunction, "No function `nothing`"),
        ("%lab stpo", BadMagicLine, "Did you mean %lab stop"),
        ("%lab advnace 2m", BadMagicLine, "Did you mean %lab advance"),
        ("%lab advance", BadMagicLine, "expected a duration"),
        ("%lab advance soon", BadDuration, "'soon' is no duration. .*2m"),
        ("%lab advance 2 weeks", BadDuration, "no unit of time in 'weeks'"),
        ("%lab stop 2m", BadMagicLine, "takes nothing more; found 2m"),
    ],
)
def test_a_mistake_is_a_short_error_that_says_what_to_try(shell, cell, error, message):
    shell.run(ECHO)
    with pytest.raises(error) as caught:
        shell.run(cell)
    shown = caught.value._render_traceback_()
    assert len(shown) <= 6
    assert re.search(message, " ".join(shown))
    assert [f.name for f in shell.run("%functions").value] == ["echo"]


def test_stop_ends_the_lab_and_the_next_function_starts_a_new_one(empty_shell):
    empty_shell.run(ECHO)
    first = empty_shell.names["echo"].lab.endpoint
    empty_shell.run("%lab stop")
    empty_shell.run(ECHO)
    assert empty_shell.names["echo"].lab.endpoint != first
    assert empty_shell.run("%invoke echo 1").payload == 1


def test_restart_keeps_the_functions(empty_shell):
    empty_shell.run(ECHO)
    empty_shell.run("%lab restart")
    assert empty_shell.run("%invoke echo 1").payload == 1


def test_a_killed_emulator_is_announced_and_replaced(empty_shell, wait_dead, capsys):
    import psutil

    empty_shell.run(ECHO)
    emulator = psutil.Process(empty_shell.run("%lab").value["pid"])
    emulator.kill()
    wait_dead(emulator.pid)
    capsys.readouterr()
    assert empty_shell.run("%invoke echo 1").payload == 1
    assert "The lab's emulator was killed by signal 9" in capsys.readouterr().out


def test_trigger_has_a_queue_call_the_function(shell):
    shell.run(ECHO)
    trigger = shell.run("%trigger echo --batch 5 sqs:orders")
    assert trigger.source_arn.endswith(":orders")
    aws = shell.names["echo"].lab.boto3("lambda")
    known = {"FunctionName": "echo", "EventSourceArn": trigger.source_arn}  # others may have left theirs
    [mapping] = aws.list_event_source_mappings(**known)["EventSourceMappings"]
    assert (mapping["BatchSize"], mapping["EventSourceArn"]) == (5, trigger.source_arn)
    shown = shell.show(trigger)
    assert "sqs:orders calls echo" in shown["text/plain"]
    assert "lambda.create_event_source_mapping(" in shown["text/html"]
    aws.delete_event_source_mapping(UUID=mapping["UUID"])


def test_trigger_takes_a_pattern_as_it_is(shell):
    shell.run(ECHO)
    trigger = shell.run('%trigger echo {"source": ["$shop"], "detail-type": ["sold"]}')
    assert '\'{"source": ["$shop"], "detail-type": ["sold"]}\'' in trigger.calls[0]


def test_trigger_says_what_a_source_looks_like(shell):
    shell.run(ECHO)
    with pytest.raises(BadTrigger, match="s3://BUCKET/PREFIX"):
        shell.run("%trigger echo photos")


def test_api_puts_functions_behind_one_address(shell):
    shell.run("%%function hello\ndef handler(event, context):\n    return {'statusCode': 200, 'body': event['path']}\n")
    api = shell.run("%%api shop -o shop\nGET /hello hello\nGET /pets/{id} hello\n")
    assert requests.get(api.url + "/pets/7", timeout=20).text == "/pets/7"
    assert shell.names["shop"] is api
    shown = shell.show(api)
    assert f"{api.url}/pets/{{id}}" in shown["text/plain"]
    assert "<table" in shown["text/html"]


def test_api_says_which_function_is_missing(shell):
    shell.run(ECHO)
    with pytest.raises(UnknownFunction, match="eccho"):
        shell.run("%%api shop\nGET /hello eccho\n")
