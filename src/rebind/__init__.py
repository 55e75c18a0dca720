"""rebind: teach CLIP and SigLIP models which attribute and which relation belong to which object."""

__version__ = "0.1.0"
