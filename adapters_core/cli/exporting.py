"""export: an adapter in the formats of other engines."""
