"""Which strategy beats random on Fashion-MNIST, by Gal's protocol."""
