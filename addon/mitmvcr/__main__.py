"""`python -m mitmvcr`."""

import sys

from mitmvcr.cli import main

sys.exit(main())
