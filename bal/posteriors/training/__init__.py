"""Code shared by posteriors over networks: training by gradient steps, features, predictions of draws."""
