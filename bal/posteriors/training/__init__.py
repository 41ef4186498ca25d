"""What posteriors over networks share: training by gradient steps, features, predictions of draws."""
