"""`python -m labkit.mockaws`."""

import sys

from labkit.mockaws.server import main

sys.exit(main())
