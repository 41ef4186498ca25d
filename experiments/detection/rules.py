"""Uncertainty of classes or boxes, summed up over the objects of an image in each of the ways of the library.

Riedlinger et al. 2022, arXiv:2212.10836, compare these. The command line calls one
``experiments.detection.rules:class_sum``; tables and pictures show the last part of that name.
"""

from functools import partial

from bal.strategies import detection_uncertainty

class_sum = partial(detection_uncertainty, of="class", aggregate="sum")
class_mean = partial(detection_uncertainty, of="class", aggregate="mean")
class_max = partial(detection_uncertainty, of="class", aggregate="max")
class_objectness = partial(detection_uncertainty, of="class", aggregate="objectness")
box_sum = partial(detection_uncertainty, of="box", aggregate="sum")
box_mean = partial(detection_uncertainty, of="box", aggregate="mean")
box_max = partial(detection_uncertainty, of="box", aggregate="max")
box_objectness = partial(detection_uncertainty, of="box", aggregate="objectness")
