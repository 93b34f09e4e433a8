"""Starts, finds and talks to an endpoint: the notebook is a client of AWS's own API."""
