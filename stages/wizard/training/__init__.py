"""What it takes to make the embedded model; only `stages/train.py` uses this room.

people.py         photographs in, split by person, with captions
networks.py       the five parts of the checkpoint, and writing it as a folder
losses.py         the terms of both losses
discriminator.py  PatchGAN and random perceptual features
checkpoint.py     a killed run goes on where it stopped
loop.py           what every phase does alike: descend, keep, log
autoencoder.py    autoencoder, then refinement of its decoder
denoiser.py       the diffusion model over cached latents
validation.py     holes and scores of people that training never saw
pictures.py       contact sheets and curves
"""
