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

_picked = "cpu"


def pick(device: str) -> str:
    """The device that ``runtime.device`` means; "auto" is CUDA, then Apple's MPS, then the CPU.

    It is the one that is named and measured here until :func:`start_over`. Raises BadSetting when
    this machine has no such device.
    """
    global _picked
    import torch

    kinds = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    usable = [name for name, there in kinds.items() if there]
    if device == "auto":
        device = usable[0]
    kind, _, number = device.partition(":")
    if kind not in usable or (number and int(number) >= torch.cuda.device_count()):
        there = ", ".join(usable)
        if "cuda" in usable:
            there += f"; GPUs of cuda: {torch.cuda.device_count()}, counted from 0"
        raise BadSetting(f"runtime.device = {device}: not on this machine, which has: {there}")
    if number:
        torch.cuda.set_device(device)
    _picked = kind
    return device


def gpu() -> str | None:
    """What the GPU that was picked is called; None where there is none."""
    return sys.modules["torch"].cuda.get_device_name() if _picked == "cuda" else None


def machine() -> str:
    """What people call what computes here: the GPU that was picked, else the processor."""
    return gpu() or _processor()


@functools.cache
def _processor() -> str:
    try:
        names = re.findall(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.M)
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()


def peak_memory() -> int:
    """The most bytes in use since :func:`start_over`: of the GPU if one was picked, else of RAM.

    Where the system cannot forget (anything but Linux), since this process began.
    """
    if _picked == "cuda":
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


def start_over() -> None:
    """What comes next runs on the CPU unless it picks a device, and peaks count from now on."""
    global _picked
    _picked = "cpu"
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
