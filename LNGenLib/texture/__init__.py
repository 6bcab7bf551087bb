"""What a lymph node looks like in CT (LN-Gen section III-B): conditional latent diffusion."""
