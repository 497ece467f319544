"""Fill the hole of one photograph, now.

    python stages/fill.py photo.jpg mask.png [-o filled.jpg] [--prompt …] [--model …] [--seed …]

The mask is white where the hole is, and as large as the photograph. The result has the photograph's
size, format, colours and EXIF; without -o it is called <photo>_filled and lies beside it. A file
that exists is overwritten with --force only. Settings are those of params.yaml, which stays as it
is, and nothing is kept for DVC. --model names a checkpoint, or a classical method, which suits
scratches: biharmonic, or telea, which is quicker. A model fills the same hole alike each time;
--seed with another number is another try.
"""

import time
from pathlib import Path

from pydantic import TypeAdapter

from wizard import console, finishing, images, models, params, records
from wizard.masks import files
from wizard.methods import start_workers


def number(text: str) -> int:
    """A seed; raises ValueError, which argparse tells in a line, for what cannot be one."""
    return TypeAdapter(params.Seed).validate_strings(text)


CLASSICAL = [name for name in models.BACKENDS if name != "diffusers"]
ARGUMENTS: dict[str, dict] = {
    "photo": {"type": Path},
    "mask": {"type": Path},
    "-o": {"dest": "output", "type": Path, "help": "where the result goes"},
    "--prompt": {"help": "what the hole should show; default: inpaint.prompt"},
    "--model": {"help": f"a checkpoint or one of {', '.join(CLASSICAL)}; default: inpaint.model"},
    "--seed": {"type": number, "help": "another number, another result; default: inpaint.seed"},
    "--force": {"action": "store_true", "help": "overwrite the output"},
}


def main(
    params_path: Path,
    photo: Path,
    mask: Path,
    output: Path | None,
    prompt: str | None,
    model: str | None,
    seed: int | None,
    force: bool,
) -> None:
    start = time.monotonic()
    settings = params.load(params_path)
    output = output or photo.with_name(f"{photo.stem}_filled{photo.suffix}")
    if output.exists() and (not force or output.samefile(photo)):
        hint = "is the photograph itself" if output.samefile(photo) else "exists; add --force"
        raise console.BadSetting(f"{output}: {hint}, or give another name with -o")
    data = photo.read_bytes()
    image = images.read(data, settings.fetch.max_pixels, to_srgb=True).pixels
    height, width = image.shape[:2]
    drawn = files.load(mask, height, width, settings.mask.hole)
    hole = images.grown(drawn, settings.inpaint.grow)
    seed = settings.inpaint.seed if seed is None else seed
    filled = fill(settings, image, hole, seed, prompt, model)
    finished, _ = finishing.finish(data, filled, hole)
    records.write_atomic(output, finished)
    print(f"{output}: {time.monotonic() - start:.1f} s")


def fill(settings: params.Params, image, hole, seed: int, prompt: str | None, model: str | None):
    """The photograph (uint8 H×W×3) with its hole (bool H×W) filled; raises Unusable."""
    changes: dict[str, str | None] = {"prompt": prompt} if prompt is not None else {}
    if model in CLASSICAL:
        changes |= {"backend": model}
    elif model:
        changes |= {"backend": "diffusers", "model": model, "revision": None}
    method = settings.inpaint.methods()["model"].model_copy(update=changes)
    call = ([image], [hole], [seed], [(method.prompt, method.negative_prompt)])
    runtime = settings.runtime.model_copy(update={"runner": "local", "batch_size": 1})
    with start_workers(method, runtime) as workers:
        ((answer, _),) = workers.map("fill", [call])
    filled = answer if isinstance(answer, records.Unusable) else answer[0]
    if isinstance(filled, records.Unusable):
        raise filled
    return images.composite(image, filled, hole, settings.inpaint.feather)


if __name__ == "__main__":
    console.stage(main, __doc__, ARGUMENTS)
