"""What fills holes. A backend is one file; this table is where it is found by name.

A backend is an object with

- ``stride``: height and width handed to it are multiples of this many pixels
- ``side``: photographs larger than this many pixels are filled in square windows, scaled to this
  side; None where any size will do
- ``grid``: masks handed to it are unions of ``grid``×``grid`` cells
- ``reads_holes``: False where nothing that stands in a hole can reach a result, so that it need
  not be replaced with care
- ``identity``: what determines its results besides the inputs, as a JSON value
- ``fill(images, masks, seeds, prompts)``: equal-sized uint8 H×W×3 images whose holes are already
  replaced, bool H×W masks, one integer seed and one pair (prompt, negative prompt) each; returns
  as many uint8 H×W×3 images in the same order, or ``records.Unusable`` in the place of one that
  could not be filled. Its output outside the hole does not matter. MemoryError says that the
  batch was too large.
- ``round_trip(images, masks)``: the images after the backend's own autoencoder, or None in the
  place of the method when it has none
"""

import hashlib
import os
from importlib import import_module
from pathlib import Path

from wizard.console import BadSetting
from wizard.names import BASELINE, MODEL
from wizard.records import versions

# Threads that wait for each other by spinning slow a run down several times as soon as anything
# else uses a core. OpenMP reads this when torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

STAGES = Path(__file__).resolve().parents[2]
BACKENDS = {
    "diffusers": "wizard.models.diffusion",
    "telea": "wizard.models.classical",
    "navier-stokes": "wizard.models.classical",
    "biharmonic": "wizard.models.classical",
    "mean": "wizard.models.classical",
}


def check(backends: dict[str, str]) -> None:
    """Whether every method's backend exists, asked before any work; a baseline is classical.

    Raises BadSetting, which names the setting and what is allowed.
    """
    for method, name in backends.items():
        allowed = [one for one in BACKENDS if method != BASELINE or one != "diffusers"]
        if name not in allowed:
            key = {MODEL: "backend", BASELINE: "baseline"}.get(
                method, f"contenders.{method}.backend"
            )
            raise BadSetting(f"inpaint.{key} = {name!r}: allowed: {', '.join(allowed)}")


def load(name: str, **settings):
    """The backend of that name, ready to fill; settings are those of its file's ``load``."""
    backend = import_module(BACKENDS[name]).load(name, **settings)
    backend.identity = backend.identity | {"libraries": libraries(name)}
    return backend


def libraries(name: str) -> dict[str, str]:
    """Versions of the libraries that compute this backend's results."""
    own: tuple[str, ...] = ("scikit-image", "scipy")
    if name == "diffusers":
        own = ("torch", "diffusers", "transformers", "tokenizers", "peft")
    return versions("numpy", "pillow", "opencv-python-headless", *own)


def source_sha256(name: str) -> str:
    """Hash of the code that determines what this backend's results are."""
    around = ("engine", "filling", "canvas", "windows", "classical")
    modules = [BACKENDS[name], *(f"wizard.models.{one}" for one in around), "wizard.images"]
    if name == "diffusers":
        modules += ["wizard.models.checkpoints", "wizard.models.families"]
    digest = hashlib.sha256()
    for module in modules:
        digest.update((STAGES / f"{module.replace('.', '/')}.py").read_bytes())
    return digest.hexdigest()
