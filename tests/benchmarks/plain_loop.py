"""The loop that one would write to fill the same holes: one image, one call, one file.

    python plain_loop.py OUTPUT        (in the folder of a project whose masks are drawn)

Takes the checkpoint and the settings of params.yaml; prints seconds without loading as JSON.
"""

import json
import sys
import time
from pathlib import Path

import torch
import yaml
from diffusers import AutoPipelineForInpainting
from PIL import Image

CALL = ("prompt", "negative_prompt", "num_inference_steps", "guidance_scale", "strength")


def main(output: Path) -> None:
    settings = yaml.safe_load(Path("params.yaml").read_text())["inpaint"]
    call = {name: settings[name] for name in CALL}
    pipe = AutoPipelineForInpainting.from_pretrained(settings["model"], safety_checker=None)
    pipe.set_progress_bar_config(disable=True)
    output.mkdir()
    start = time.perf_counter()
    for line in Path("data/masks.jsonl").read_text().splitlines():
        hole = json.loads(line)
        image = Image.open(f"data/images/{hole['image']}.png").convert("RGB")
        mask = Image.open(f"data/masks/{hole['id']}.png").convert("L")
        filled = pipe(
            image=image,
            mask_image=mask,
            height=image.height,
            width=image.width,
            generator=torch.Generator().manual_seed(settings["seed"]),
            **call,
        ).images[0]
        filled.save(output / f"{hole['id']}.png")
    print(json.dumps({"loop": time.perf_counter() - start}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
