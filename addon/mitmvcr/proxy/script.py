"""The script that `mitmdump -s` loads where mitmvcr is installed; in a clone it is addon/vcr.py."""

from mitmvcr.proxy import link
from mitmvcr.proxy.addon import VCR

_vcr = VCR()
addons = [_vcr, *link.addons(_vcr)]
