"""Model -> model without secrets, and the gate before every write; no files, no network.

policy      what the user adds to the defaults; custom compiles it
headers     which headers are kept; pairs: which values of URLs and forms are secret by name
rules       secrets with a look of their own; context: by their name; phrases: behind fixed words
runs, scan  text -> where they stand
tracked     values seen as credentials, in any encoding
dummies     what stands where a secret would and is none
packed      content codings and archives -> what is in them, within bounds
views       a text unescaped, or a stream's pieces joined; jsonspans: a JSON text's leaves
detect      all that together: text -> secrets with their places
memory      what one cassette has seen
cleaner     the parts of an interaction -> the same without secrets
scrubber    interaction -> interaction
gate        the last look at what is about to be written
"""

from mitmvcr.scrub.gate import GateFinding
from mitmvcr.scrub.memory import Memory, collapse
from mitmvcr.scrub.model import Scrubber
from mitmvcr.scrub.policy import Policy, PolicyError

__all__ = ["GateFinding", "Memory", "Policy", "PolicyError", "Scrubber", "collapse"]
