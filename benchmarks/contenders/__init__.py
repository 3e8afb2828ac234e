"""One module for each library. Each defines ``build(workload, threads)``.

``build`` returns two functions without arguments. The first makes one training update on
the batch of the workload (gradient, clipping, RMSProp) and reads the loss; the second
predicts and reads the result. Both take data as NumPy arrays, as a user has them.
"""

NAMES = ('rnnkit', 'torch', 'jax', 'keras', 'naive')
