"""The built-in world: scenes of coloured shapes whose truth is known exactly."""
