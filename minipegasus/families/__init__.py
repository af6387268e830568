"""One file a family: configuration, spec and names. No arithmetic."""

from .bigbird_pegasus import BIGBIRD_PEGASUS, BigBirdPegasusConfig
from .pegasus import PEGASUS, PegasusConfig
from .pegasus_x import PEGASUS_X, PegasusXConfig

__all__ = [
    "BIGBIRD_PEGASUS",
    "PEGASUS",
    "PEGASUS_X",
    "BigBirdPegasusConfig",
    "PegasusConfig",
    "PegasusXConfig",
]
