"""The built-in world: scenes of coloured shapes whose truth is known exactly."""

from rebind.world.writing import WorldSettings, write_world

__all__ = ["WorldSettings", "write_world"]
