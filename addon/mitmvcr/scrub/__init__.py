"""What is a credential, where, and what takes its place: in a model and in a file's bytes; no network.

policy            what the user adds to the defaults, and that compiled
rules/            what secrets look like, and what names and words tell them
detect/           text -> where secrets stand in it
credential_names  under which names credentials stand, and which values there are some
headers           which headers are kept, which carry credentials, and where in a value
placeholders      what stands where a secret would and is none
memory            what one cassette has seen: secrets, their numbers, credentials to look out for
changes           what is to be replaced in a value, and that made
decide            a part of an exchange -> the changes that take its secrets out
model             interaction -> interaction without secrets
gate              the last look at what is about to be written
files/            a cassette's bytes -> the same bytes without secrets
"""

from mitmvcr.scrub.changes import Redaction
from mitmvcr.scrub.gate import GateFinding
from mitmvcr.scrub.memory import Memory, collapse
from mitmvcr.scrub.model import Scrubber
from mitmvcr.scrub.policy import Policy, PolicyError
from mitmvcr.scrub.rules.detection import Evidence

__all__ = [
    "Evidence",
    "GateFinding",
    "Memory",
    "Policy",
    "PolicyError",
    "Redaction",
    "Scrubber",
    "collapse",
]
