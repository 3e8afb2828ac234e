"""A network as C99: its steps as functions, its weights as arrays.

From a network to text: `layers` finds what each step computes, as equations of one row; `simplify`
brings them into a form that loops can compute; `schedule` puts their values in an order; `body`
writes the function of a layer. `source` puts functions and weights together, `program` writes
a test, and `files` all of it to a folder.
"""
