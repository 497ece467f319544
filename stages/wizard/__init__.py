"""What the stages share.

The array contract, everywhere in this package:

- image: ``uint8``, H×W×3, RGB, 0–255
- mask: ``bool``, H×W, ``True`` = hole; on disk an 8-bit PNG, white = hole

Other layouts (BGR, floats, latents, inverted masks) exist only inside the file that talks to a
library which wants them.
"""
