"""What real Lambda does, row by row, and what a running emulator does instead: the conformance report.

`behaviour` says what a row is, one file per subject has the rows, `trial` is what a row's probe works with, `report`
runs them all. A probe asks as any user would: by boto3, or by a signed HTTP request where boto3 hides the value.
"""
