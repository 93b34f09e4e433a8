"""What runs inside an execution environment: the standard library and AWS's runtime client, nothing of labkit.

Nobody imports this package. The emulator starts `bootstrap.py` as a script, and bootstrap loads its neighbours by
path, so that a handler's process sees the modules it would see on AWS and no others.
"""
