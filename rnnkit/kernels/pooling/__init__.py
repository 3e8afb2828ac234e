"""Mean and maximum over the time steps of each sequence."""
