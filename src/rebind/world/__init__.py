"""The built-in world: scenes of coloured shapes whose truth is known exactly."""

from rebind.world.writing import WorldSettings, read_world_settings, write_world

__all__ = ["WorldSettings", "read_world_settings", "write_world"]
