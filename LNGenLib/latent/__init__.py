"""What structure and texture share: an autoencoder, a latent diffusion model, their training."""
