"""Code shared by rules of distances and covariances: points, kernels, features, centres and clusters. No rules."""
