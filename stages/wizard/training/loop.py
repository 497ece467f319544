"""What every training phase does alike: descend, keep checkpoints, log, go on after a kill."""

import json
import math
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from wizard.training import checkpoint

AVERAGED_STEPS = 20


def learning_rate(step: int, steps: int, peak: float, warmup: int = 50) -> float:
    """Linear warm-up, then a cosine down to a hundredth of the peak."""
    cosine = 0.5 * (1 + math.cos(math.pi * min(step / steps, 1.0)))
    return peak * min((step + 1) / warmup, 1.0) * max(cosine, 0.01)


def descend(optimizer: torch.optim.Optimizer, loss: Tensor, network: nn.Module, rate: float):
    """One step of the optimizer at this learning rate, the gradient cut to length 1."""
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    optimizer.step()


def repeat(
    one_step: Callable[[int, float], dict[str, Tensor]], parts: dict, settings, path: Path
) -> Iterator[dict]:
    """Call `one_step(step, learning rate)` up to `settings.steps`; yields each step's row.

    A row is `step` and the terms that the call returned, as numbers. Goes on from the checkpoint
    at `path` if there is one. It is kept every few minutes and holds each of `parts`: what has a
    `state_dict` by that, a number as it is.
    """
    first = _resume(path, parts)
    clock = checkpoint.Clock()
    for step in range(first, settings.steps):
        terms = one_step(step, learning_rate(step, settings.steps, settings.rate))
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
    for name, part in parts.items():
        if hasattr(part, "load_state_dict"):
            part.load_state_dict(state[name])
    return state["step"]


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
    if not path.is_file():
        return []
    rows = {row["step"]: row for row in map(json.loads, path.read_text().splitlines())}
    return [rows[step] for step in sorted(rows)]
