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

from PIL import Image
from pydantic import TypeAdapter

from wizard import console, finishing, images, models, params, records
from wizard.masks import files
from wizard.methods import start_workers


def seed(text: str) -> int:
    """A seed; raises ValueError, which argparse tells in a line by this function's name."""
    return TypeAdapter(params.Seed).validate_strings(text)


CLASSICAL = [name for name in models.BACKENDS if name != "diffusers"]
ARGUMENTS: dict[str, dict] = {
    "photo": {"type": Path},
    "mask": {"type": Path},
    "-o": {"dest": "output", "type": Path, "help": "where the result goes"},
    "--prompt": {"help": "what the hole should show; default: inpaint.prompt"},
    "--model": {"help": f"a checkpoint or one of {', '.join(CLASSICAL)}; default: inpaint.model"},
    "--seed": {"type": seed, "help": "another number, another result; default: inpaint.seed"},
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
    models.check({"model": settings.inpaint.backend})
    data = photo.read_bytes()
    read = images.read(data, settings.fetch.max_pixels, to_srgb=True)
    output = place(output, photo, read.format, force)
    image = read.pixels
    height, width = image.shape[:2]
    drawn = files.load(mask, height, width, settings.mask.hole)
    hole = images.grown(drawn, settings.inpaint.grow)
    seed = settings.inpaint.seed if seed is None else seed
    filled = fill(settings, image, hole, seed, prompt, model)
    finished, note = finishing.finish(data, filled, hole)
    records.write_atomic(output, finished)
    if note:
        console.say(f"{photo}: {note}")
    print(console.plain(f"{output}: {time.monotonic() - start:.1f} s"))


def place(output: Path | None, photo: Path, original: str, force: bool) -> Path:
    """Where the result goes; raises BadSetting when it may not, or would be called what it is not.

    ``original`` is the format of the photograph.
    """
    kind = finishing.kind(original)
    if output is None:
        suffix = finishing.suffix(photo.suffix, original)
        output = photo.with_name(f"{photo.stem}_filled{suffix}")
    elif Image.registered_extensions().get(output.suffix.lower(), kind) != kind:
        raise console.BadSetting(f"{output}: the result is a {kind} file; give a name that says so")
    if output.exists() and (not force or output.samefile(photo)):
        hint = "is the photograph itself" if output.samefile(photo) else "exists; add --force"
        raise console.BadSetting(f"{output}: {hint}, or give another name with -o")
    return output


def fill(settings: params.Params, image, hole, seed: int, prompt: str | None, model: str | None):
    """The photograph (uint8 H×W×3) with its hole (bool H×W) filled; raises Unusable."""
    changes: dict = {"prompt": prompt} if prompt is not None else {}
    if model in CLASSICAL:
        changes |= {"backend": model}
    elif model:
        # What else may be set in params.yaml belongs to the checkpoint that is named there.
        others = dict.fromkeys(("revision", "variant", "vae", "lora"))
        changes |= {"backend": "diffusers", "model": model} | others
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
