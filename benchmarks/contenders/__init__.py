"""One module for each library. Each defines ``build(workload, threads)``.

``build`` returns functions without arguments by name. ``train`` makes one training update
on the batch of the workload (gradient, clipping, RMSProp) and reads the loss; ``predict``
predicts and reads the result; for a workload that streams there is only ``step``, which
predicts one time step from the state that the last call returned. All take data as NumPy
arrays, as a user has them. ``UPDATES`` is how many updates one call of ``train`` makes.
"""
