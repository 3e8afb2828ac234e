"""The loop of a recurrent layer over a sequence, forward and backward."""
