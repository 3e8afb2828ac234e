"""The loop over a sequence for cells of any number of products, and of reductions over units."""
