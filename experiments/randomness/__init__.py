"""The Neural Testbed: how good are the joint predictions of posteriors, against the network that made the labels?"""
