"""One module for each library. Each defines ``build(workload, threads)``.

``build`` returns a dict of functions without arguments. ``train`` makes one training update
on the batch of the workload (gradient, clipping, RMSProp) and reads the loss. ``predict``
predicts and reads the result. For a workload that streams there is only ``step``, which
predicts one time step from the state that the last call returned. Data are NumPy arrays,
as a user has them. ``UPDATES`` is the number of updates of one call of ``train``.
"""
