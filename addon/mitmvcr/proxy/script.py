"""The script that `mitmdump -s` loads where mitmvcr is installed; in a clone it is addon/vcr.py."""

from mitmvcr.proxy.addon import VCR

addons = [VCR()]
