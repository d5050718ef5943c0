"""The control API: opens, rewinds, reports on and closes cassettes while the proxy runs.

api     a request -> an answer
schema  its description in OpenAPI, from openapi.json, and the fields' types
"""
