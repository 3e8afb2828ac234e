"""Losses: functions of outputs and targets that training minimises."""

from typing import TYPE_CHECKING

from rnnkit.common import foreign_names
from rnnkit.losses.base import Loss, add, build, losses, weighted_mean
from rnnkit.losses.classes import BinaryCrossEntropy, CrossEntropy, Hinge, accuracy
from rnnkit.losses.distributions import (
    GaussianLogLikelihood,
    KullbackLeibler,
    MaximumMeanDiscrepancy,
)
from rnnkit.losses.likelihoods import Gaussian, Student
from rnnkit.losses.regression import Huber, MeanAbsoluteError, MeanSquaredError, Poisson, Quantile

__all__ = [
    'BinaryCrossEntropy',
    'CrossEntropy',
    'Gaussian',
    'GaussianLogLikelihood',
    'Hinge',
    'Huber',
    'KullbackLeibler',
    'Loss',
    'MaximumMeanDiscrepancy',
    'MeanAbsoluteError',
    'MeanSquaredError',
    'Poisson',
    'Quantile',
    'Student',
    'accuracy',
    'add',
    'build',
    'losses',
    'weighted_mean',
]

if not TYPE_CHECKING:  # or checkers would believe that every name exists
    __getattr__ = foreign_names.of_module(__name__)
