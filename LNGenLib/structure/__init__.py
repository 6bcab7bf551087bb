"""What shape a lymph node has (LN-Gen section III-A): TSDF, VAE, latent DDPM, adapter, sizes."""
