"""API Gateway's data plane: REST APIs (v1) and HTTP APIs (v2), whose configuration lives in moto.

`door` is what the front door knows: which requests are for an API (`addresses`), and what to do when somebody changes
one. All the rest is imported with the first request for an API. `catalogue` reads and keeps configurations, `rest` and
`http_api` answer; what they decide by are pure functions beside them.
"""
