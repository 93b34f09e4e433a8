"""`python -m labkit.emulator`."""

import sys

from labkit.emulator import main

sys.exit(main())
