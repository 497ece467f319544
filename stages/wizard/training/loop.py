"""What every training phase does alike: precision, descent, checkpoints, losses."""

import json
import math
import time
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path

import torch
from diffusers.training_utils import EMAModel
from torch import Tensor, nn

from wizard.training import checkpoint

AVERAGED_STEPS = 20


@cache
def precision(device: str) -> torch.dtype:
    """bfloat16 or float32, whichever convolves faster on this device.

    A processor without the instructions for bfloat16 computes it several times slower than
    float32, and no flag tells; so both are tried for a moment.
    """

    def seconds(dtype: torch.dtype) -> float:
        conv = nn.Conv2d(64, 64, 3, padding=1, device=device, dtype=dtype)
        batch = torch.zeros(8, 64, 32, 32, device=device, dtype=dtype)
        times = []
        with torch.inference_mode():
            for _ in range(10):
                start = time.monotonic()
                conv(batch).sum().item()
                times.append(time.monotonic() - start)
        return min(times)

    return min((torch.bfloat16, torch.float32), key=seconds)


def autocast(device: str) -> torch.autocast:
    """A context in which networks compute in the faster precision."""
    dtype = precision(device)
    return torch.autocast(device, dtype, enabled=dtype is not torch.float32)


def learning_rate(step: int, steps: int, peak: float, warmup: int = 50) -> float:
    """Linear warm-up, then a cosine down to a hundredth of the peak."""
    cosine = 0.5 * (1 + math.cos(math.pi * min(step / steps, 1.0)))
    return peak * min((step + 1) / warmup, 1.0) * max(cosine, 0.01)


def plateau(step: int, steps: int, peak: float, cooldown: float, warmup: int = 50) -> float:
    """Linear warm-up, a plateau, and a linear way down over the last share `cooldown`.

    On the plateau nothing depends on `steps`, so a finished run can be lengthened (Hägele et al.
    2024, "Scaling laws and compute-optimal training beyond fixed training durations").
    """
    left = (steps - step) / max(cooldown * steps, 1)
    return peak * min((step + 1) / warmup, left, 1.0)


def descend(optimizer: torch.optim.Optimizer, loss: Tensor, network: nn.Module, rate: float):
    """One step of the optimizer, the gradient norm clipped to 1.

    The learning rate is `rate`, times `factor` in parameter groups that have one.
    """
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get("factor", 1.0)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    optimizer.step()


def repeat(
    one_step: Callable[[int, float], dict[str, Tensor]],
    parts: dict,
    settings,
    path: Path,
    schedule: Callable[[int, int, float], float] = learning_rate,
) -> Iterator[dict]:
    """Call `one_step(step, learning rate)` up to `settings.steps`; yields each step's row.

    A row is `step` and the terms that the call returned, as numbers. Resumes from the checkpoint
    at `path` if there is one. It is kept every few minutes and holds each of `parts`: what has a
    `state_dict` by that, a number as it is.
    """
    first = _resume(path, parts)
    clock = checkpoint.Clock()
    for step in range(first, settings.steps):
        terms = one_step(step, schedule(step, settings.steps, settings.learning_rate))
        if clock.due() or step + 1 == settings.steps:
            kept = {name: _state(part) for name, part in parts.items()}
            checkpoint.save(path, {"step": step + 1, **kept})
        yield {"step": step, **{name: term.item() for name, term in terms.items()}}


def _state(part):
    return part.state_dict() if hasattr(part, "state_dict") else part


def _resume(path: Path, parts: dict) -> int:
    state = checkpoint.read(path)
    if state is None:
        return 0
    with checkpoint.fitting(path):
        for name, part in parts.items():
            if isinstance(part, EMAModel):
                _load_average(part, state[name])
            elif isinstance(part, torch.optim.Optimizer):
                # Rates and their factors are those of the settings, not of the checkpoint.
                groups = part.state_dict()["param_groups"]
                part.load_state_dict(state[name] | {"param_groups": groups})
            elif hasattr(part, "load_state_dict"):
                part.load_state_dict(state[name])
    return state["step"]


def _load_average(average: EMAModel, state: dict) -> None:
    """Unlike networks and optimizers, an average keeps the tensors it is given, where they are.

    Its decay is that of the settings, not of the checkpoint.
    """
    device, decay = average.shadow_params[0].device, average.decay
    average.load_state_dict(state)
    average.decay = decay
    average.to(device)


def logged(rows: Iterable[dict], path: Path) -> Iterator[dict]:
    """Pass rows on while appending to `path`, a line of JSON, the mean of each 20 of them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    waiting: list[dict] = []
    with open(path, "a", encoding="utf-8") as log:
        for row in rows:
            waiting.append(row)
            if len(waiting) == AVERAGED_STEPS:
                log.write(json.dumps(mean_row(waiting)) + "\n")
                log.flush()
                waiting.clear()
            yield row


def mean_row(rows: list[dict]) -> dict:
    """The mean of each term over the rows that have it, at the last row's step."""
    means = {}
    for name in dict.fromkeys(name for row in rows for name in row):
        values = [row[name] for row in rows if name in row]
        means[name] = round(sum(values) / len(values), 6)
    return means | {"step": rows[-1]["step"]}


def read_log(path: Path) -> list[dict]:
    """What `logged` wrote, the last run's rows where runs overlap after a kill."""
    rows: list[dict] = []
    for row in map(json.loads, path.read_text().splitlines() if path.is_file() else ()):
        while rows and rows[-1]["step"] >= row["step"]:
            rows.pop()
        rows.append(row)
    return rows
