"""Lessons: notebooks that a student reads, runs and changes; here is what finds, runs and reports them.

`run` executes lessons without a browser and returns one `Report` each; `display` says on a screen what happened.
"""
