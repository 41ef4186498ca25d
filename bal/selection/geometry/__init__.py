"""What the rules of distances and covariances share: points, kernels, features, centres and clusters. No rules."""
