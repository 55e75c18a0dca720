"""Fetching the official files of benchmarks: where they are published, by HTTP or from the hub, unpacked with care."""

from rebind.benchmarks.downloading.addresses import missing, read_sources
from rebind.benchmarks.downloading.fetching import download, lacking

__all__ = ["download", "lacking", "missing", "read_sources"]
