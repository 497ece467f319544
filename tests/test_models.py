"""Backends, and what happens around them alike: prefill, padding, growing, exact paste-back."""

import json
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
from diffusers import AsymmetricAutoencoderKL
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image
from tiny_checkpoints import save

from wizard import images, models
from wizard.console import BadSetting
from wizard.images import composite
from wizard.models import classical, filling
from wizard.records import Unusable

FACE_TINY = Path(__file__).parents[1] / "data" / "models" / "face-tiny"
CLASSICAL = ["telea", "navier-stokes", "biharmonic", "mean"]
SIZE = 64


def face_tiny(**changes):
    settings = {
        "model": str(FACE_TINY),
        "revision": None,
        "variant": None,
        "scheduler": None,
        "device": "cpu",
        "dtype": "float32",
        "prompt": "a portrait photograph of a face",
        "negative_prompt": "",
        "num_inference_steps": 2,
        "guidance_scale": 1.0,
        "strength": 1.0,
    }
    return models.load("diffusers", **(settings | changes))


@pytest.fixture(scope="module")
def diffusion():
    return face_tiny()


@pytest.fixture(scope="module")
def portraits() -> list[np.ndarray]:
    from skimage import data

    face = Image.fromarray(data.astronaut()[:208, 118:326])
    square = np.asarray(face.resize((SIZE, SIZE), Image.Resampling.LANCZOS))
    return [square, square[:, ::-1].copy(), np.rot90(square).copy()]


@pytest.fixture(scope="module")
def holes() -> list[np.ndarray]:
    masks = np.zeros((3, SIZE, SIZE), bool)
    masks[0, 13:38, 7:30] = True  # off the latent grid on purpose
    masks[1, 40:, :33] = True
    masks[2, 5:60, 30:34] = True
    return list(masks)


SEEDS = [11, 12, 13]
PROMPTS = [("a portrait photograph of a face", "")] * 3


def results(filler, portraits, holes, seeds=SEEDS) -> list[np.ndarray]:
    output = filler.fill(portraits, holes, seeds, PROMPTS[: len(seeds)])
    return [composite(*one) for one in zip(portraits, output, holes, strict=True)]


@pytest.mark.parametrize("name", [*CLASSICAL, "diffusers"])
def test_pixels_outside_the_hole_never_change(name, portraits, holes):
    backend = face_tiny() if name == "diffusers" else models.load(name)
    for result, portrait, hole in zip(
        results(filling.Filler(backend, "telea", 3), portraits, holes),
        portraits,
        holes,
        strict=True,
    ):
        assert np.array_equal(result[~hole], portrait[~hole])
        assert not np.array_equal(result[hole], portrait[hole])


@pytest.mark.parametrize("prefill", ["mean", "telea"])
@pytest.mark.parametrize("name", [*CLASSICAL, "strength 1.0", "strength 0.9", "strength 0.5"])
def test_what_lies_under_the_hole_changes_no_result(name, prefill, portraits, holes):
    if name.startswith("strength"):
        backend = face_tiny(strength=float(name.split()[1]))
    else:
        backend = models.load(name)
    noise = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), np.uint8)
    hidden = [np.where(h[..., None], noise, p) for p, h in zip(portraits, holes, strict=True)]
    filler = filling.Filler(backend, prefill, 3)
    for one, other in zip(
        results(filler, portraits, holes), results(filler, hidden, holes), strict=True
    ):
        assert np.array_equal(one, other)


@pytest.mark.parametrize("inputs", ["masked image", "plain"])
@pytest.mark.parametrize("strength", [1.0, 0.9])
def test_a_backend_knows_whether_what_stands_in_a_hole_reaches_its_results(
    inputs, strength, portraits, holes, tmp_path
):
    model = FACE_TINY if inputs == "masked image" else save("stable-diffusion", tmp_path)
    backend = face_tiny(model=str(model), strength=strength)
    grown = [images.to_grid(hole, backend.grid) for hole in holes]
    black, white = (
        backend.fill(
            [
                np.where(h[..., None], np.uint8(fill), p)
                for p, h in zip(portraits, grown, strict=True)
            ],
            grown,
            SEEDS,
            PROMPTS,
        )
        for fill in (0, 255)
    )
    assert backend.reads_holes == any(map(np.any, map(images.differ, black, white)))


def test_scratches_filled_in_windows_are_those_of_the_whole_photograph():
    from skimage import data

    image, mask = data.astronaut(), np.zeros((512, 512), np.uint8)
    cv2.polylines(mask, [np.array([[20, 30], [240, 200], [260, 420], [500, 480]])], False, 1, 5)
    mask = mask.astype(bool)
    filler = filling.Filler(models.load("biharmonic"), "mean", 1)
    (made,) = filler.fill([image], [mask], [0], PROMPTS[:1])
    whole = classical.biharmonic(image, mask)
    error = np.abs(made[mask].astype(int) - whole[mask])
    assert error.mean() < 0.1 and np.array_equal(made[~mask], image[~mask])


def test_a_biharmonic_filling_of_a_hole_of_any_size_stays_small_in_memory():
    """Solved as one, this hole takes 2,650 MiB."""
    code = """
import numpy as np
from wizard import devices, models
from wizard.models import filling
image = np.random.default_rng(0).integers(0, 256, (900, 900, 3), np.uint8)
mask = np.pad(np.ones((700, 700), bool), 100)
filling.Filler(models.load("biharmonic"), "mean", 1).fill([image], [mask], [0], [("", "")])
print(devices.peak_memory() // 2**20)
"""
    stages = FACE_TINY.parents[2] / "stages"
    peak_mib = subprocess.check_output([sys.executable, "-c", code], cwd=stages)
    assert int(peak_mib) < 600


def test_an_image_depends_on_its_seed_but_not_on_its_neighbours(diffusion, portraits, holes):
    """Same batch size, other companions, other place in the batch: the same bytes."""
    filler = filling.Filler(diffusion, "telea", 3)
    together = results(filler, portraits, holes)
    reverse = results(filler, portraits[::-1], holes[::-1], SEEDS[::-1])[::-1]
    alone = results(filler, portraits[1:2], holes[1:2], SEEDS[1:2])
    assert all(map(np.array_equal, together, reverse))
    assert np.array_equal(together[1], alone[0])
    assert not np.array_equal(alone[0], results(filler, portraits[1:2], holes[1:2], [99])[0])


def test_another_batch_size_moves_no_pixel_by_more_than_a_level(diffusion, portraits, holes):
    one = results(filling.Filler(diffusion, "telea", 1), portraits, holes)
    three = results(filling.Filler(diffusion, "telea", 3), portraits, holes)
    for a, b in zip(one, three, strict=True):
        assert np.abs(a.astype(int) - b).max() <= 1


@pytest.mark.system
def test_a_compiled_network_paints_the_same_within_a_level(diffusion, program, portraits, holes):
    program("g++", "g++")
    compiled = face_tiny(compile=True)
    assert compiled.identity == diffusion.identity | {"compiled": True}
    one, other = (
        results(filling.Filler(b, "telea", 3), portraits, holes) for b in (diffusion, compiled)
    )
    for a, b in zip(one, other, strict=True):
        assert np.abs(a.astype(int) - b).max() <= 1


@pytest.mark.parametrize("scheduler", ["DDIMScheduler", "UniPCMultistepScheduler"])
def test_the_scheduler_can_be_changed(scheduler, portraits, holes):
    backend = face_tiny(scheduler=scheduler)
    assert backend.identity["scheduler"] == scheduler
    assert len(results(filling.Filler(backend, "telea", 3), portraits, holes)) == 3


def test_guidance_and_prompts_change_the_painting(portraits, holes):
    plain = face_tiny()
    guided = face_tiny(guidance_scale=4.0, negative_prompt="a man")
    assert "negative_prompt_embeds" in guided._text([("a face", "")])
    assert "negative_prompt_embeds" not in plain._text([("a face", "")])
    one, other = (results(filling.Filler(b, "mean", 3), portraits, holes) for b in (plain, guided))
    assert not np.array_equal(one[0], other[0])


def test_sizes_off_the_stride_are_padded_and_cut_again(diffusion, portraits):
    odd = portraits[0][:50, :43]
    hole = np.zeros(odd.shape[:2], bool)
    hole[20:30, 10:20] = True
    (result,) = results(filling.Filler(diffusion, "telea", 1), [odd], [hole], [1])
    assert result.shape == odd.shape


def test_round_trip_is_near_the_original(diffusion, portraits, holes):
    output = filling.Filler(diffusion, "mean", 3).round_trip(portraits, holes, SEEDS, PROMPTS)
    for one, portrait in zip(output, portraits, strict=True):
        error = np.abs(one.astype(float) - portrait).mean()
        assert error < np.abs(portrait.mean((0, 1)) - portrait).mean() / 2


@given(arrays.arrays(bool, (12, 16)), st.sampled_from([1, 2, 4]))
def test_a_grown_mask_covers_whole_cells_and_only_touched_ones(mask, grid):
    grown = images.to_grid(mask, grid)
    assert not (mask & ~grown).any()
    cells = grown.reshape(12 // grid, grid, 16 // grid, grid)
    assert np.array_equal(cells.any(axis=(1, 3)), cells.all(axis=(1, 3)))
    touched = mask.reshape(cells.shape).any(axis=(1, 3))
    assert np.array_equal(cells.any(axis=(1, 3)), touched)


def test_classical_methods_continue_a_plain_colour():
    image = np.full((32, 32, 3), (10, 200, 90), np.uint8)
    mask = np.zeros((32, 32), bool)
    mask[8:24, 8:24] = True
    hidden = np.where(mask[..., None], 0, image).astype(np.uint8)
    for name, method in classical.METHODS.items():
        # OpenCV weighs in single precision and truncates: a few levels, in no direction of note.
        assert np.abs(method(hidden, mask).astype(int) - image).max() <= 4, name


class Crowded:
    """Runs out of memory above two images a call; everything else is the classical backend."""

    stride = grid = 1
    side = None
    reads_holes = False
    identity: dict = {}
    limit = 2

    def __init__(self):
        self.calls = []

    def fill(self, images, masks, seeds, prompts):
        self.calls.append(len(images))
        if len(images) > self.limit:
            raise MemoryError("8 GiB wanted")
        return classical.Classical("telea").fill(images, masks, seeds, prompts)


def test_out_of_memory_halves_the_batch_for_good(portraits, holes):
    backend = Crowded()
    filler = filling.Filler(backend, "mean", 8)
    expected = results(filling.Filler(models.load("telea"), "mean", 8), portraits, holes)
    assert all(map(np.array_equal, results(filler, portraits, holes), expected))
    assert backend.calls == [8, 4, 2, 2]
    results(filler, portraits, holes)
    assert backend.calls[4:] == [2, 2]


def test_out_of_memory_at_one_image_is_a_reason_not_a_crash(portraits, holes):
    backend = Crowded()
    backend.limit = 0
    output = filling.Filler(backend, "mean", 2).fill(portraits, holes, SEEDS, PROMPTS)
    assert [str(one) for one in output] == ["out of memory at batch size 1: 8 GiB wanted"] * 3


class Broken(Crowded):
    def fill(self, images, masks, seeds, prompts):
        return [np.zeros_like(image) for image in images]


def test_an_all_black_painting_is_a_failure(portraits, holes):
    output = filling.Filler(Broken(), "mean", 1).fill(portraits, holes, SEEDS, PROMPTS)
    assert all("all-black" in str(one) for one in output)


@pytest.mark.parametrize("method", ["fill", "round_trip"])
def test_nan_is_a_reason_not_a_crash(method, portraits, holes):
    import torch

    backend = face_tiny()
    torch.nn.init.constant_(backend._pipe.vae.decoder.conv_out.weight, float("nan"))
    filler = filling.Filler(backend, "mean", 3)
    for one in getattr(filler, method)(portraits, holes, SEEDS, PROMPTS):
        assert isinstance(one, Unusable) and "NaN" in str(one)


def test_rounding_darkens_nothing():
    from wizard.models.diffusion import _to_uint8

    image = _to_uint8(np.array([0.4999, 0.5001, 1.2])[None, None])
    assert image.tolist() == [[[127, 128, 255]]]


@pytest.mark.parametrize("method", ["fill", "round_trip"])
def test_a_device_without_memory_raises_memory_error_and_keeps_its_dtype(
    monkeypatch, method, portraits, holes
):
    import torch

    def full(*_, **__):
        assert vae.dtype == (torch.float32 if method == "round_trip" else torch.bfloat16)
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 8 GiB")

    backend = face_tiny(dtype="bfloat16")
    vae = backend._pipe.vae
    vae.register_to_config(force_upcast=True)
    monkeypatch.setattr(vae, "encode", full)
    arguments = (portraits, holes, SEEDS, PROMPTS) if method == "fill" else (portraits, holes)
    with pytest.raises(MemoryError, match="8 GiB"):
        getattr(backend, method)(*arguments)
    assert vae.dtype == torch.bfloat16


@pytest.fixture(scope="module")
def conditioned(tmp_path_factory) -> Path:
    """The embedded checkpoint with a random decoder that also reads the known pixels."""
    import torch

    folder = tmp_path_factory.mktemp("conditioned") / "checkpoint"
    shutil.copytree(FACE_TINY, folder)
    plain = json.loads((folder / "vae/config.json").read_text())
    torch.manual_seed(0)
    vae = AsymmetricAutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 3,
        down_block_out_channels=(16, 32, 64),
        up_block_types=("UpDecoderBlock2D",) * 3,
        up_block_out_channels=(16, 32, 64),
        latent_channels=plain["latent_channels"],
        norm_num_groups=8,
    )
    shutil.rmtree(folder / "vae")
    vae.save_pretrained(folder / "vae")
    index = json.loads((folder / "model_index.json").read_text())
    index["vae"][1] = "AsymmetricAutoencoderKL"
    (folder / "model_index.json").write_text(json.dumps(index))
    return folder


def test_a_conditioned_decoder_gives_what_its_pipeline_gives(conditioned, portraits, holes):
    """The same bytes, without the encoding that the pipeline throws away."""
    import torch

    backend = face_tiny(model=str(conditioned))
    grown = [images.to_grid(hole, backend.grid) for hole in holes]
    filled = backend.fill(portraits, grown, SEEDS, PROMPTS)
    counted = []
    encode = backend._pipe.vae.encode
    backend._pipe.vae.encode = lambda *args: counted.append(args) or encode(*args)
    assert all(map(np.array_equal, filled, backend.fill(portraits, grown, SEEDS, PROMPTS)))
    assert len(counted) == len(portraits)
    theirs = backend._pipe(
        prompt=["a portrait photograph of a face"] * 3,
        image=torch.from_numpy(np.stack(portraits)).permute(0, 3, 1, 2).float() / 255,
        mask_image=torch.from_numpy(np.stack(grown)).unsqueeze(1).float(),
        height=SIZE,
        width=SIZE,
        num_inference_steps=2,
        guidance_scale=1.0,
        generator=[torch.Generator().manual_seed(seed) for seed in SEEDS],
        output_type="np",
    ).images
    assert len(counted) == 3 * len(portraits)
    assert np.array_equal(np.rint(theirs * 255).astype(np.uint8), np.stack(filled))


def test_a_conditioned_round_trip_reads_the_pixels_around_the_hole(conditioned, portraits, holes):
    backend = face_tiny(model=str(conditioned))
    nowhere = [np.ones((SIZE, SIZE), bool)] * 3
    known, unknown = (backend.round_trip(portraits, where) for where in (holes, nowhere))
    assert not any(map(np.array_equal, known, unknown))


@pytest.mark.parametrize("checkpoint", ["embedded", "plain", "conditioned"])
def test_nothing_is_encoded_or_remade_twice(checkpoint, conditioned, tmp_path, portraits, holes):
    """Two photographs, three holes in each, in batches that divide them."""
    model = {"embedded": FACE_TINY, "conditioned": conditioned}.get(checkpoint)
    backend = face_tiny(model=str(model or save("stable-diffusion", tmp_path / "plain")))
    vae = backend._pipe.vae
    passes: Counter[str] = Counter()
    for part in ("encoder", "decoder"):
        getattr(vae, part).register_forward_hook(lambda *_, part=part: passes.update([part]))
    filler = filling.Filler(backend, "mean", 4)

    def run(ask: str, samples: int) -> Counter[str]:
        passes.clear()
        rows = [(image, hole) for image in portraits[:2] for hole in holes for _ in range(samples)]
        for start in range(0, len(rows), 4):
            images, masks = zip(*rows[start : start + 4], strict=True)
            count = len(images)
            getattr(filler, ask)(images, masks, range(start, start + count), PROMPTS[:1] * count)
        return passes

    assert run("fill", samples=2) == {"encoder": 6, "decoder": 3}  # a hole, a call
    # The holes of a photograph share its encoding, and its decoding where that reads no hole.
    decoded = 6 if isinstance(vae, AsymmetricAutoencoderKL) else 2
    assert run("round_trip", samples=1) == {"encoder": 2, "decoder": decoded}


def test_a_folder_without_a_checkpoint_says_what_is_missing(tmp_path):
    with pytest.raises(BadSetting, match="has no model_index.json"):
        face_tiny(model=str(tmp_path))


def test_pickled_weights_are_refused(tmp_path):
    folder = tmp_path / "pickled"
    shutil.copytree(FACE_TINY, folder)
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    weights.rename(weights.with_suffix(".bin"))
    with pytest.raises(BadSetting, match="cannot be loaded.*safetensors"):
        face_tiny(model=str(folder))


def test_an_unreachable_hub_id_says_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(BadSetting) as told:
        face_tiny(model="nobody/nothing", revision="abc")
    line = str(told.value)
    assert "nobody/nothing" in line and "hf download nobody/nothing --revision abc" in line
    assert "data/models/face-tiny" in line and "\n" not in line


def test_a_device_that_is_not_there_is_named():
    import torch

    if torch.cuda.is_available():
        assert face_tiny(device="cuda").identity["device"] == "cuda"
    else:
        with pytest.raises(BadSetting, match="runtime.device = cuda: not on this machine.*cpu"):
            face_tiny(device="cuda")


def test_a_gpu_beyond_the_last_is_named(monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(BadSetting, match="runtime.device = cuda:1: .*GPUs of cuda: 1, counted"):
        face_tiny(device="cuda:1")


def test_the_code_of_one_backend_does_not_touch_the_fingerprint_of_another(tmp_path, monkeypatch):
    before = {name: models.source_sha256(name) for name in models.BACKENDS}
    assert before["telea"] == before["mean"]
    shutil.copytree(models.STAGES / "wizard", tmp_path / "wizard")
    monkeypatch.setattr(models, "STAGES", tmp_path)
    with open(tmp_path / "wizard" / "models" / "diffusion.py", "a") as code:
        code.write("# changed\n")
    assert models.source_sha256("diffusers") != before["diffusers"]
    assert all(models.source_sha256(name) == before[name] for name in CLASSICAL)
    with open(tmp_path / "wizard" / "models" / "filling.py", "a") as code:
        code.write("# changed\n")
    assert models.source_sha256("telea") != before["telea"]


def test_a_variant_beside_the_plain_files_is_another_model(tmp_path):
    folder = tmp_path / "both"
    shutil.copytree(FACE_TINY, folder)
    for weights in list(folder.rglob("*.safetensors")):
        shutil.copyfile(weights, weights.with_suffix(".fp16.safetensors"))
    plain, half = (face_tiny(model=str(folder), variant=one).identity for one in (None, "fp16"))
    assert plain["checkpoint"] == half["checkpoint"] and plain != half


@pytest.mark.parametrize(
    ("method", "told"),
    [
        ("model", "inpaint.backend = 'magic': allowed: diffusers, telea,"),
        ("baseline", "inpaint.baseline = 'magic': allowed: telea,"),
        ("mine", "inpaint.contenders.mine.backend = 'magic': allowed: diffusers,"),
    ],
)
def test_an_unknown_backend_is_told_by_its_setting(method, told):
    with pytest.raises(BadSetting, match=told):
        models.check({"model": "telea", method: "magic"})
    models.check({"model": "diffusers", "baseline": "telea", "mine": "diffusers"})


def test_what_is_under_the_hole_does_not_make_a_black_result_a_failure():
    """A black photograph: black is right, whether something bright or more black is hidden."""
    dark = np.zeros((64, 64, 3), np.uint8)
    hole = np.zeros((64, 64), bool)
    hole[20:40, 20:40] = True
    bright = np.where(hole[..., None], np.uint8(255), dark)
    found = [
        filling.Filler(Broken(), "mean", 1).fill([one], [hole], [1], [("", "")])[0]
        for one in (dark, bright)
    ]
    assert np.array_equal(*found) and not found[0].any()
