"""Turns records into text, HTML, figures and plain facts; knows no IPython, no endpoint and no clock.

`measures` reduces `Outcomes` to medians and intervals (by `stats`), `cards` and `calls` decide what is said about a
function, a lab or a call, `spans` and `traces` about invocations over time, `carets` and `logs` about an error's line
and a log's; and `text`, `html`, `plots`, `tracks`, `data` say it, each in its own medium. So the text and the HTML of
a record cannot disagree. Nothing here imports numpy or matplotlib until a figure is drawn.
"""
