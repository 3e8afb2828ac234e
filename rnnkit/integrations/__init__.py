"""Everything that imports an optional package, and nothing else does."""
