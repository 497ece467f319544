"""Where networks run: one choice for all that compute."""

from wizard.console import BadSetting


def pick(device: str) -> str:
    """The device that ``runtime.device`` means; "auto" is CUDA, then Apple's MPS, then the CPU.

    Raises BadSetting when this machine has no such device.
    """
    import torch

    kinds = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    usable = [name for name, there in kinds.items() if there]
    if device == "auto":
        return usable[0]
    if device.split(":")[0] not in usable:
        raise BadSetting(
            f"runtime.device = {device}: not on this machine, which has: {', '.join(usable)}"
        )
    return device
