"""The script for `mitmdump -s addon/vcr.py`: works from a plain clone, without installing anything."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from mitmvcr.proxy.addon import VCR

addons = [VCR()]
