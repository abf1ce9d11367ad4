from __future__ import annotations

from hypothesis import settings

# A machine shared with a broker and a browser has no steady clock to hold examples to.
settings.register_profile("andon", deadline=None)
settings.load_profile("andon")
