"""Where networks run: one choice for all that compute, and what that machine is and needs."""

import contextlib
import functools
import gc
import platform
import re
import resource
import sys
from pathlib import Path

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


@functools.cache
def machine() -> str:
    """What people call this machine: its GPU if a network is there, else its processor."""
    if _on_cuda():
        return sys.modules["torch"].cuda.get_device_name()
    try:
        names = re.findall(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.M)
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()


def peak_memory() -> int:
    """The most bytes in use since :func:`forget_peak_memory`: of the GPU if one is used, else RAM.

    Where the system cannot forget (anything but Linux), since this process began.
    """
    if _on_cuda():
        return sys.modules["torch"].cuda.max_memory_allocated()
    try:
        high = re.search(r"^VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.M)
    except OSError:
        high = None
    if high:
        return int(high[1]) * 1024
    # Counted in bytes on macOS, in KiB elsewhere.
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def forget_peak_memory() -> None:
    """Count peaks from now on, where the system can."""
    if _on_cuda():
        sys.modules["torch"].cuda.reset_peak_memory_stats()
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def free_memory() -> None:
    """Give memory that nothing refers to any more back to the system."""
    gc.collect()
    if _on_cuda():
        sys.modules["torch"].cuda.empty_cache()


def _on_cuda() -> bool:
    """Whether this process has loaded torch and put something on a GPU."""
    return "torch" in sys.modules and sys.modules["torch"].cuda.is_initialized()
