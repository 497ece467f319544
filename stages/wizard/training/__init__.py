"""What it takes to make the embedded model; `stages/train.py` and `assess.py` use this room.

people.py         photographs in, split by person, with captions
networks.py       the five parts of the checkpoint, and writing it as a folder
losses.py         the terms of both losses
discriminator.py  PatchGAN and random perceptual features
checkpoint.py     a killed run resumes where it stopped
loop.py           what every phase does alike: precision, descent, checkpoints, losses
autoencoder.py    autoencoder, then refinement of its decoder
denoiser.py       the diffusion model over cached latents
finish.py         denoiser and decoder together, through one step to the pixels
validation.py     holes and scores of people that training never saw
pictures.py       contact sheets and curves
"""
