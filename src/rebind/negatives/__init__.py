"""Hard negatives: what is nearly right, found or made."""
