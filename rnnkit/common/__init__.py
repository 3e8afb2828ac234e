"""Tools that know nothing of networks: registries, checks of arguments, files, logging."""
