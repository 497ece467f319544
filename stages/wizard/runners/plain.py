"""Answers as plain bytes: pixels and facts that are read without running anybody's code.

An answer is one line of JSON, then the pixels of its images, one after the other.
"""

import json
import math

import numpy as np

from wizard.console import BadSetting
from wizard.records import Unusable

MAX_SIDE = 100_000


def pack(answer: list[np.ndarray | Unusable], cost: dict) -> bytes:
    """Images (uint8), or reasons why there is none, and what they cost."""
    items: list[list[int] | str] = [
        str(one) if isinstance(one, Unusable) else list(one.shape) for one in answer
    ]
    pixels = [one.tobytes() for one in answer if not isinstance(one, Unusable)]
    return b"\n".join([json.dumps({"items": items, "cost": cost}).encode(), b"".join(pixels)])


def pack_facts(facts: dict) -> bytes:
    """A JSON object."""
    return json.dumps({"facts": facts}).encode() + b"\n"


def read(message: object) -> tuple[dict, memoryview]:
    """The line of a message, as an object, and the pixels after it.

    Raises Unusable when it is not such a message, or what the worker raised: BadSetting, Unusable
    and OSError as they were, RuntimeError with the worker's traceback for a bug.
    """
    if not isinstance(message, bytes):
        raise Unusable("a Ray worker sent something other than plain bytes; its code differs")
    line, _, _ = message.partition(b"\n")
    head = json.loads(line)
    if not isinstance(head, dict):
        raise Unusable("a Ray worker sent no object")
    if "raised" in head:
        kind, text = str(head["raised"]), str(head["text"])
        known = {"BadSetting": BadSetting, "Unusable": Unusable, "OSError": OSError}
        raise known.get(kind, RuntimeError)(text)
    return head, memoryview(message)[len(line) + 1 :]


def unpack(message: object) -> tuple[list[np.ndarray | Unusable], dict]:
    """What :func:`pack` was given. Raises as :func:`read` does."""
    head, pixels = read(message)
    answer: list[np.ndarray | Unusable] = []
    for item in head["items"]:
        if isinstance(item, str):
            answer.append(Unusable(item))
            continue
        shape = [int(side) for side in item]
        if len(shape) != 3 or shape[2] != 3 or not all(0 < side <= MAX_SIDE for side in shape):
            raise Unusable(f"a Ray worker sent an image of {shape}")
        length = math.prod(shape)
        # Copied, so that it can be written to.
        answer.append(np.frombuffer(pixels[:length], np.uint8).reshape(shape).copy())
        pixels = pixels[length:]
    if len(pixels):
        raise Unusable("a Ray worker sent more pixels than it named")
    cost = head["cost"]
    return answer, {
        "seconds": float(cost["seconds"]),
        "peak_memory_mb": int(cost["peak_memory_mb"]),
        "machine": str(cost["machine"]),
    }
