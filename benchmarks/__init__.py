"""How fast, how small, how far: what ``make bench`` measures."""
