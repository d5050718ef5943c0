"""What mitmvcr costs beside bare mitmdump and PyYAML: `python -m bench`; see docs/benchmarks.md."""

import sys
from pathlib import Path

# Benchmarks run from a plain clone, too.
sys.path.insert(0, str(Path(__file__).parents[1] / "addon"))
