"""What it takes to make the embedded model; only `stages/train.py` uses this room.

people.py         photographs in, split by person, with captions
networks.py       the five parts of the checkpoint, and writing it as a folder
losses.py         the terms of both losses
discriminator.py  PatchGAN and random perceptual features
checkpoint.py     a killed run goes on where it stopped
autoencoder.py    autoencoder, then refinement of its decoder
denoiser.py       the diffusion model over cached latents
"""
