"""Every family of checkpoints goes the whole way, with diffusers' own classes at tiny size."""

import json
import re
import shutil
from functools import cache
from pathlib import Path

import architectures
import bench_full_size
import numpy as np
import pytest
import safetensors.torch
import tiny_checkpoints
import torch
from PIL import Image
from skimage import data

from wizard import images, models
from wizard.console import BadSetting
from wizard.models import checkpoints, families, filling

DOCS = Path(__file__).parents[1] / "docs"
SIDE = 32
SEEDS = [11, 12, 13]
PROMPTS = [("a face", "")] * 3


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    """The folder of a tiny checkpoint of a family, written once."""
    folder = tmp_path_factory.mktemp("checkpoints")
    return cache(lambda family: tiny_checkpoints.save(family, folder / family))


SETTINGS = {
    "revision": None,
    "variant": None,
    "scheduler": None,
    "device": "cpu",
    "dtype": "float32",
    "prompt": "a face",
    "negative_prompt": "",
    "num_inference_steps": 2,
    "guidance_scale": 3.0,
    "strength": 1.0,
}


def load(folder: Path, **changes):
    return models.load("diffusers", **SETTINGS | {"model": str(folder)} | changes)


@pytest.fixture(scope="module")
def portraits() -> list[np.ndarray]:
    face = Image.fromarray(data.astronaut()[:208, 118:326]).resize((SIDE, SIDE))
    square = np.asarray(face)
    return [square, square[:, ::-1].copy(), np.rot90(square).copy()]


@pytest.fixture(scope="module")
def holes() -> list[np.ndarray]:
    masks = np.zeros((3, SIDE, SIDE), bool)
    masks[0, 5:19, 7:20] = True  # off every grid on purpose
    masks[1, 20:, :13] = True
    masks[2, 3:30, 15:17] = True
    return list(masks)


def distance(one, other) -> int:
    return int(max(np.abs(a.astype(int) - b).max() for a, b in zip(one, other, strict=True)))


@pytest.mark.parametrize("family", tiny_checkpoints.FAMILIES)
def test_a_family_fills_holes_from_what_is_around_them(checkpoint, portraits, holes, family):
    backend = load(checkpoint(family))
    filler = filling.Filler(backend, "mean", 3)
    results = filler.fill(portraits, holes, SEEDS, PROMPTS)
    assert all(one.shape == (SIDE, SIDE, 3) and one.std() > 0 for one in results)

    noise = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    hidden = [np.where(h[..., None], noise, p) for p, h in zip(portraits, holes, strict=True)]
    assert distance(results, filler.fill(hidden, holes, SEEDS, PROMPTS)) == 0, "saw the hole"

    alone = filling.Filler(backend, "mean", 1).fill(portraits, holes, SEEDS, PROMPTS)
    assert distance(results, alone) <= 1, "the images of a batch are mixed up"

    other = filler.fill(portraits, holes, [99, *SEEDS[1:]], PROMPTS)
    assert not np.array_equal(results[0], other[0]), "the seed does nothing"
    assert distance(results[1:], other[1:]) == 0, "a seed moves its neighbours"


@pytest.mark.parametrize("family", tiny_checkpoints.FAMILIES)
def test_each_photograph_has_its_own_prompt(checkpoint, portraits, holes, family):
    backend = load(checkpoint(family))
    grown = [images.to_grid(hole, backend.grid) for hole in holes]
    face, other = ("a face", ""), ("quite another thing", "")
    alike = backend.fill(portraits, grown, SEEDS, [face, face, face])
    apart = backend.fill(portraits, grown, SEEDS, [face, other, face])
    # A longer text beside them moves the others by rounding. What untrained weights make of the
    # other text may be less than a level, so its way is followed to the call instead.
    assert distance(alike[::2], apart[::2]) <= 1
    assert any(map(differ, backend._text([face]).values(), backend._text([other]).values()))


def differ(one, other) -> bool:
    if isinstance(one, torch.Tensor):
        return one.shape != other.shape or not torch.equal(one, other)
    if isinstance(one, list) and isinstance(one[0], torch.Tensor):
        return differ(one[0], other[0])
    return one != other


def index(folder: Path) -> dict:
    return json.loads((folder / "model_index.json").read_text())


@pytest.mark.parametrize("family", tiny_checkpoints.FAMILIES)
def test_the_round_trip_of_a_family_is_its_autoencoder(checkpoint, portraits, holes, family):
    """Untrained it gives no portrait back; but it answers for each image, the same every time."""
    backend = load(checkpoint(family))
    there = backend.round_trip(portraits, holes)
    assert all(one.shape == (SIDE, SIDE, 3) for one in there)
    assert distance(there, backend.round_trip(portraits, holes)) == 0
    assert not np.array_equal(there[0], there[1])


def test_an_xl_checkpoint_keeps_its_rules(checkpoint):
    """Strength below 1, no watermark, zeros in place of an empty negative prompt."""
    backend = load(checkpoint("stable-diffusion-xl"))
    assert backend._call["strength"] == 0.9999
    assert backend._pipe.watermark is None
    assert not backend._text([("a face", "")])["negative_prompt_embeds"].any()
    assert backend._text([("a face", "a hat")])["negative_prompt_embeds"].any()


def test_the_scale_of_guidance_has_the_name_that_a_family_gives_it(checkpoint, portraits, holes):
    backend = load(checkpoint("qwen-image"))
    assert backend._call["true_cfg_scale"] == 3.0 and "guidance_scale" not in backend._call
    calls = []
    forward = backend._pipe.transformer.forward
    backend._pipe.transformer.forward = lambda **k: calls.append(k) or forward(**k)
    backend.fill(portraits, holes, SEEDS, PROMPTS)
    assert len(calls) == 2 * 2, "two steps, each with the prompt and without"


@pytest.mark.parametrize(
    ("family", "setting"),
    [
        ("flux", {"negative_prompt": "a hat"}),
        ("flux-fill", {"negative_prompt": "a hat"}),
        ("flux-2-klein", {"negative_prompt": "a hat"}),
        ("kandinsky-2-2", {"strength": 0.5}),
    ],
)
def test_what_a_family_lacks_is_one_line(checkpoint, family, setting):
    ((name, value),) = setting.items()
    with pytest.raises(BadSetting, match=f"inpaint.{name} = {value!r}: .* has no such setting"):
        load(checkpoint(family), **setting)


def test_a_photograph_cannot_ask_for_what_its_family_lacks(checkpoint, portraits, holes):
    with pytest.raises(BadSetting, match="FluxFillPipeline takes no negative prompt"):
        load(checkpoint("flux-fill")).fill(portraits, holes, SEEDS, [("a face", "a hat")] * 3)


def test_a_prior_that_is_missing_says_how_to_add_it(checkpoint, tmp_path):
    folder = tmp_path / "decoder"
    shutil.copytree(checkpoint("kandinsky-2-2"), folder)
    decoder = {name: value for name, value in index(folder).items() if "prior" not in name}
    decoder["_class_name"] = "KandinskyV22InpaintPipeline"
    (folder / "model_index.json").write_text(json.dumps(decoder))
    with pytest.raises(BadSetting, match="has no prior_prior; make one that has: python -c"):
        load(folder)


@pytest.mark.parametrize("name", ["StableDiffusionControlNetInpaintPipeline", "WanPipeline"])
def test_a_checkpoint_of_no_family_names_the_families(checkpoint, tmp_path, name):
    index_file = tmp_path / "model_index.json"
    index_file.write_text(json.dumps({"_class_name": name}))
    with pytest.raises(
        BadSetting, match=f"{name} is of no family supported here.*FluxFill.*QwenImage"
    ):
        load(tmp_path)


def test_a_scheduler_that_cannot_follow_a_flow_is_one_line(checkpoint):
    with pytest.raises(BadSetting, match="inpaint.scheduler = DDIMScheduler: only FlowMatchEuler"):
        load(checkpoint("flux-fill"), scheduler="DDIMScheduler")


def test_more_steps_than_a_scheduler_takes_are_one_line(checkpoint):
    with pytest.raises(BadSetting, match="num_inference_steps = 60: too many for .*LCMScheduler"):
        load(checkpoint("stable-diffusion"), scheduler="LCMScheduler", num_inference_steps=60)


def save_lora(path: Path, checkpoint: Path) -> Path:
    """A LoRA of rank 2 on the queries of a UNet, as diffusers' training scripts save it."""
    unet = safetensors.torch.load_file(checkpoint / "unet/diffusion_pytorch_model.safetensors")
    draw = torch.Generator().manual_seed(0)
    weights = {}
    for name, value in unet.items():
        if name.endswith("attn2.to_q.weight"):
            stem = f"unet.{name.removesuffix('.weight')}"
            rows, columns = value.shape
            weights[f"{stem}.lora_A.weight"] = torch.randn(2, columns, generator=draw)
            weights[f"{stem}.lora_B.weight"] = torch.randn(rows, 2, generator=draw)
    safetensors.torch.save_file(weights, path)
    return path


def test_a_lora_is_merged_by_its_weight_and_belongs_to_the_identity(
    checkpoint, tmp_path, portraits, holes
):
    folder = checkpoint("stable-diffusion")
    path = save_lora(tmp_path / "style.safetensors", folder)
    query = "down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_q.weight"
    plain, half, full = (
        load(folder, lora=weight and {"path": str(path), "weight": weight})
        for weight in (None, 0.5, 1.0)
    )
    moved = [b._pipe.unet.state_dict()[query] for b in (plain, half, full)]
    assert torch.allclose(moved[1] - moved[0], (moved[2] - moved[0]) / 2, atol=1e-5)
    assert not torch.allclose(moved[0], moved[2])
    identities = [json.dumps(backend.identity) for backend in (plain, half, full)]
    assert len(set(identities)) == 3
    assert "added/lora/weights.safetensors" in full.identity["checkpoint"]
    results = [backend.fill(portraits, holes, SEEDS, PROMPTS) for backend in (plain, full)]
    assert distance(*results) > 1


def test_a_lora_that_does_not_fit_is_one_line(checkpoint, tmp_path):
    folder = checkpoint("stable-diffusion")
    strange = tmp_path / "strange.safetensors"
    safetensors.torch.save_file({"a.lora_A.weight": torch.zeros(2, 2)}, strange)
    pickled = tmp_path / "style.bin"
    pickled.write_bytes(b"")
    for path, reason in [
        (strange, "lora.path = .*strange.safetensors: (holds nothing|does not fit)"),
        (pickled, "give a .safetensors file"),
        (tmp_path / "missing.safetensors", "no such file; one of the Hub is <user>/<name>/<file>"),
        ("missing.safetensors", "no such file; one of the Hub is <user>/<name>/<file>"),
        ("somebody/something/missing.safetensors", "the Hub does not give it"),
    ]:
        with pytest.raises(BadSetting, match=reason):
            load(folder, lora={"path": str(path), "weight": 1.0})
    with pytest.raises(BadSetting, match="takes none; set inpaint.lora: null"):
        load(checkpoint("kandinsky-2-2"), lora={"path": str(strange), "weight": 1.0})


def test_a_reason_of_the_hub_is_not_cut_in_a_word(monkeypatch):
    words = "cannot reach the directory " * 20

    def unreachable(*_, **__):
        raise OSError(words)

    monkeypatch.setattr(checkpoints.diffusers.DiffusionPipeline, "download", unreachable)
    with pytest.raises(BadSetting, match="does not give it") as told:
        load("someone/model")
    reason = str(told.value).partition("give it (")[2].partition(" …)")[0]
    assert reason and set(reason.split()) <= set(words.split())


def test_another_autoencoder_takes_the_place_of_the_checkpoints(
    checkpoint, tmp_path, portraits, holes
):
    import diffusers

    torch.manual_seed(1)
    folder = tmp_path / "taesd"
    diffusers.AutoencoderTiny(
        encoder_block_out_channels=(8, 8),
        decoder_block_out_channels=(8, 8),
        num_encoder_blocks=(1, 1),
        num_decoder_blocks=(1, 1),
    ).save_pretrained(folder)
    plain, tiny = (load(checkpoint("stable-diffusion"), vae=vae) for vae in (None, str(folder)))
    assert type(tiny._pipe.vae) is diffusers.AutoencoderTiny
    assert tiny.identity != plain.identity
    assert (tiny.grid, tiny.stride) == (plain.grid, plain.stride)
    for results in (tiny.fill(portraits, holes, SEEDS, PROMPTS), tiny.round_trip(portraits, holes)):
        assert all(one.shape == (SIDE, SIDE, 3) for one in results)
    with pytest.raises(BadSetting, match="inpaint.vae = .*: has no config.json"):
        load(checkpoint("stable-diffusion"), vae=str(tmp_path))


def test_a_moved_checkpoint_is_the_same_model(checkpoint, tmp_path, monkeypatch):
    """What Ray sends to its workers: equal identity, so equal places in the cache."""
    source = checkpoint("stable-diffusion")
    vae, lora = source / "vae", save_lora(tmp_path / "style.safetensors", source)
    chosen = {"model": str(source), "revision": None, "variant": None}
    chosen |= {"vae": str(vae), "lora": {"path": str(lora), "weight": 0.5}}
    worker = tmp_path / "worker"
    for name, path in checkpoints.files(**chosen).items():
        (worker / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, worker / name)
    here = models.load("diffusers", **SETTINGS | chosen).identity
    monkeypatch.chdir(worker)
    moved = SETTINGS | checkpoints.moved(**chosen)
    assert models.load("diffusers", **moved).identity == here


def test_a_checkpoint_as_its_repository_has_it_loads_from_the_hubs_cache(
    tmp_path, monkeypatch, portraits, holes
):
    """fp16 variant, safety checker, a pickle of the original layout beside them; no network."""
    torch.manual_seed(0)
    folder = tmp_path / "checkpoint"
    architectures.save(
        architectures.stable_diffusion(tiny=True).to(torch.half), folder, variant="fp16"
    )
    (folder / "sd-v1-5-inpainting.ckpt").write_bytes(b"nothing that opens")
    bench_full_size.fill_cache(tmp_path / "hub", folder)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    pinned = {"revision": bench_full_size.REVISION, "variant": "fp16"}
    cached = load(folder, model=bench_full_size.HUB_ID, **pinned)
    assert cached._pipe.safety_checker is None
    local = load(folder, variant="fp16")
    assert cached.identity == local.identity
    names = set(local.identity["checkpoint"])
    assert "unet/diffusion_pytorch_model.fp16.safetensors" in names
    assert not any("ckpt" in name for name in names)
    images = [np.asarray(Image.fromarray(one).resize((64, 64))) for one in portraits]
    masks = [hole.repeat(2, 0).repeat(2, 1) for hole in holes]
    assert distance(*(one.fill(images, masks, SEEDS, PROMPTS) for one in (cached, local))) == 0


def test_the_table_in_the_docs_has_every_family():
    text = (DOCS / "checkpoints.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^\| `(\w+)`", text, re.M)) == sorted(families.FAMILIES)
