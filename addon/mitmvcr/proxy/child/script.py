"""The script that `mitmdump -s` loads where mitmvcr is installed; in a clone it is addon/vcr.py."""

from mitmvcr.proxy.addon import VCR
from mitmvcr.proxy.child import launcher_link

_vcr = VCR()
addons = [_vcr, *launcher_link.addons(_vcr)]
