"""The release as others can check it: its manifest, who signed that, and a pin for one browser.

ReleaseError
├── ManifestError   this is no manifest, or its signature does not hold
└── PinError        the extension cannot be written
"""


class ReleaseError(ValueError):
    """What was asked of a release cannot be done; the sentence says why."""
