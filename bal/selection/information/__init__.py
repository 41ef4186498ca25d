"""Rules that maximise the information of a batch: about parameters, predictions or a latent function."""
