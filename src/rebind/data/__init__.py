"""Any source of captioned images as samples, its annotations, safe decoding, and training batches."""

from rebind.data.opening import open_source
from rebind.data.source import Source

__all__ = ["Source", "open_source"]
