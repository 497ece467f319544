"""Whether the full architecture of Stable Diffusion 1.5 inpainting loads and fills on this machine.

    python tests/benchmarks/bench_full_size.py [--side 512] [--steps 2]

Nobody can judge what random weights fill, but time, memory and loading are those of the real
checkpoint. It is saved as its repository has it (architectures.py), then fills twice, without a
network: from its folder, and by its Hub id from a cache that holds it. Each is a run of the inpaint
stage on one hole, with guidance; seconds and peak memory are those of the whole process,
including the hash of every file and the round trip. Prints them and writes results/full_size.json.
"""

import os
import shutil
import sys
import tempfile
from pathlib import Path

import measure

HUB_ID = "stable-diffusion-v1-5/stable-diffusion-inpainting"
REVISION = "8a4288a76071f7280aedbdb3253bdb9e9d5d84bb"


def main() -> None:
    options = measure.arguments(__doc__, side=512, steps=2, tiny=0)
    with tempfile.TemporaryDirectory() as folder:
        project, checkpoint = Path(folder, "project"), Path(folder, "checkpoint")
        project.mkdir()
        make = [sys.executable, str(Path(__file__).with_name("architectures.py"))]
        measure.wall([*make, str(checkpoint), "--tiny", str(options.tiny)], project)
        fill_cache(Path(folder, "hub"), checkpoint)
        draw_hole(project, options.side)
        os.environ |= {"HF_HUB_OFFLINE": "1", "HF_HOME": folder}
        report = {"side": options.side, "steps": options.steps, "guidance_scale": 7.5}
        report["checkpoint_gb"] = sum(path.stat().st_size for path in checkpoint.rglob("*")) / 1e9
        sources = {"folder": {"model": str(checkpoint)}}
        sources["Hub cache"] = {"model": HUB_ID, "revision": REVISION}
        results = {name: fill(project, one, options.steps) for name, one in sources.items()}
    pictures = {picture for _, picture in results.values()}
    assert len(pictures) == 1, "the same checkpoint filled differently from another place"
    report |= {name: cost for name, (cost, _) in results.items()}
    measure.write(
        options.output,
        "full_size",
        report | {"machine": measure.machine("torch", "diffusers", "transformers", "accelerate")},
    )


def fill_cache(hub: Path, checkpoint: Path) -> None:
    """The Hub's cache as a download leaves it, with links to the files of a checkpoint."""
    repository = hub / f"models--{HUB_ID.replace('/', '--')}"
    for path in checkpoint.rglob("*"):
        if path.is_file():
            place = repository / "snapshots" / REVISION / path.relative_to(checkpoint)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(path)
    (repository / "refs").mkdir()
    (repository / "refs/main").write_text(REVISION)


def draw_hole(project: Path, side: int) -> None:
    measure.start_project(
        project, fetch={"count": 1, "side": side}, mask={"shape": "box", "per_image": 1}
    )
    for name in ("fetch", "mask"):
        measure.wall(measure.stage(name), project)


def fill(project: Path, source: dict, steps: int) -> tuple[dict, bytes]:
    """What the stage costs with a checkpoint, and the result that it wrote."""
    call = {"variant": "fp16", "num_inference_steps": steps, "guidance_scale": 7.5}
    measure.write_params(project, inpaint=source | call, runtime={"batch_size": 1})
    shutil.rmtree(project / ".work", ignore_errors=True)
    seconds, mebibytes = measure.cost(measure.stage("inpaint"), project)
    (row,) = [one for one in measure.rows(project, "inpainted") if one["run"] == "model"]
    print(f"{source['model']}: {seconds:.1f} s, {mebibytes:.0f} MiB at most")
    cost = {"seconds": seconds, "peak_memory_mib": mebibytes}
    return cost, (project / "data" / row["file"]).read_bytes()


if __name__ == "__main__":
    main()
