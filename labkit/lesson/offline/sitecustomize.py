"""Keeps a lesson offline (`runtime/offline.py`).

Not imported by anybody: `labkit run` puts this folder on the PYTHONPATH of a lesson's kernel, and Python imports a
module of this name when it starts, here and in every Python that the kernel starts. Deployed functions start without
it, and are told by LABKIT_NETWORK.
"""

import importlib.util
from pathlib import Path

_found = importlib.util.spec_from_file_location("labkit_offline", Path(__file__).parents[2] / "runtime" / "offline.py")
assert _found is not None
assert _found.loader is not None
_offline = importlib.util.module_from_spec(_found)
_found.loader.exec_module(_offline)
_offline.keep()
