"""Weights that others publish as a file of their own: where it lies, and how we know it is the
right one.

Files are kept where ``torch.hub`` keeps its downloads, so one that another program fetched is
used. The bytes that are hashed are the bytes that are used, and nothing in them is executed:
``tensors`` reads with ``weights_only=True``, the ONNX files are read by OpenCV.
"""

import hashlib
import io
import shlex
from dataclasses import dataclass
from pathlib import Path

import torch

from wizard.records import Unusable


@dataclass(frozen=True)
class Checkpoint:
    """A published file: its name on disk, its address, and the SHA-256 of its bytes."""

    name: str
    url: str
    sha256: str


def read(checkpoint: Checkpoint) -> bytes:
    """The file's bytes, downloaded when this machine does not have it.

    Raises records.Unusable with one line when it cannot be had or is another file.
    """
    path = Path(torch.hub.get_dir()) / "checkpoints" / checkpoint.name
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(
                checkpoint.url, str(path), checkpoint.sha256, progress=False
            )
        except (OSError, RuntimeError) as error:
            raise Unusable(
                f"weights {checkpoint.name} are not on this machine and could not be fetched "
                f"({error}); where the network is, run `curl -fL --create-dirs -o "
                f"{shlex.quote(str(path))} {checkpoint.url}`, or set evaluate.learned to []"
            ) from None
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != checkpoint.sha256:
        raise Unusable(
            f"{path}: not the published file (its SHA-256 is not {checkpoint.sha256}); remove it, "
            f"it is then fetched from {checkpoint.url}"
        )
    return data


def tensors(checkpoint: Checkpoint) -> dict[str, torch.Tensor]:
    """The named tensors of a PyTorch file; raises Unusable as ``read`` does."""
    return torch.load(io.BytesIO(read(checkpoint)), map_location="cpu", weights_only=True)
