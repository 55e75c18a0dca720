"""Numbers that others have published, each with its source and how it was measured."""

from rebind.reference.published import PublishedNumber, Reference, reference, references

__all__ = ["PublishedNumber", "Reference", "reference", "references"]
