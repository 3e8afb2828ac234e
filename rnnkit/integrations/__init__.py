"""Uses of optional packages: only these modules import one, and only inside functions."""
