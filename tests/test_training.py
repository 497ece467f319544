"""Making the embedded model, at a size where a step takes milliseconds."""

import io
import json
import shutil
import signal
import subprocess
import sys
import time
from functools import cache
from itertools import chain
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml
from clones import commit, sh
from diffusers import AutoPipelineForInpainting, StableDiffusionInpaintPipeline
from diffusers.training_utils import EMAModel
from PIL import Image

import assess
import train
from wizard import images as pixels
from wizard import params
from wizard.console import BadSetting
from wizard.images import to_grid
from wizard.records import Unusable
from wizard.training import (
    autoencoder,
    card,
    checkpoint,
    denoiser,
    discriminator,
    finish,
    loop,
    losses,
    networks,
    people,
    pictures,
    validation,
)

ROOT = Path(__file__).parents[1]
SIZE, CHANNELS = 32, [16, 16, 32]
AUTOENCODER = SimpleNamespace(
    steps=6, batch_size=2, crop=32, learning_rate=1e-3, gradient=0.5, kl=1e-4
)
REFINE = SimpleNamespace(
    steps=3, batch_size=2, crop=32, learning_rate=1e-3, gradient=0.5, perceptual=1.0,
    adversarial=0.5,
    adversarial_start=1, discriminator_channels=8,
)  # fmt: skip
DENOISER = SimpleNamespace(
    steps=4, batch_size=2, learning_rate=1e-3, ema_decay=0.9, ratio=[0.1, 0.6], holes=6, known=0.1,
    terminal=0.25, high_noise=1.5, caption_dropout=0.1,
)  # fmt: skip
CAPTIONS = ["a sharp face", "a soft face"]


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (4, SIZE, SIZE, 3), dtype=np.uint8)


@pytest.fixture
def vae():
    torch.manual_seed(0)
    return networks.autoencoder(CHANNELS, SIZE)


def test_adaptive_weight_is_the_ratio_of_gradient_lengths():
    layer = torch.ones(7, requires_grad=True)
    weight = losses.adaptive_weight((3 * layer).sum(), (4 * layer).sum(), layer)
    assert weight.item() == pytest.approx(0.75, rel=1e-5) and not weight.requires_grad
    clipped = losses.adaptive_weight((3 * layer).sum(), (0 * layer).sum(), layer, limit=50.0)
    assert clipped.item() == 50.0


def test_hinge_is_zero_only_beyond_the_margins():
    sure = losses.hinge_discriminator(torch.tensor([2.0, 1.0]), torch.tensor([-1.0, -3.0]))
    fooled = losses.hinge_discriminator(torch.tensor([-1.0]), torch.tensor([1.0]))
    assert sure.item() == 0.0 and fooled.item() == 2.0
    assert losses.hinge_generator(torch.tensor([1.0, 3.0])).item() == -2.0


def test_gradient_l1_ignores_a_constant_and_counts_an_edge():
    flat, edge = torch.zeros(1, 1, 2, 5), torch.zeros(1, 1, 2, 5)
    edge[..., 2:] = 1.0
    assert losses.gradient_l1(flat + 3, flat).item() == 0.0
    assert losses.gradient_l1(edge, flat).item() == pytest.approx(1 / 4)


def test_kl_of_a_unit_normal_is_zero_and_of_a_shifted_one_half():
    zero, one = torch.zeros(3), torch.ones(3)
    assert losses.kl(zero, zero).item() == 0.0 and losses.kl(one, zero).item() == 0.5


def test_hole_weighted_error_counts_the_hole_fully_and_the_rest_by_its_weight():
    target, hole = torch.zeros(1, 2, 1, 4), torch.tensor([[[[1.0, 0.0, 0.0, 0.0]]]])
    result = torch.tensor([2.0, 1.0, 1.0, 1.0]).expand(1, 2, 1, 4)
    loss = losses.hole_weighted_mse(result, target, hole, known=0.5)
    assert loss.item() == pytest.approx((4 + 3 * 0.5) / (1 + 3 * 0.5))


def test_random_features_follow_the_seed_and_see_more_than_pixels():
    first, again, other = (discriminator.RandomFeatures(seed) for seed in (1, 1, 2))
    a, b = torch.rand(2, 1, 3, 16, 16)
    assert first(a, a).item() == 0.0
    assert first(a, b).item() == again(a, b).item() != other(a, b).item()
    # Shuffled pixels have the same histogram but not the same neighbours.
    shuffled = a.flatten(2)[..., torch.randperm(256)].view_as(a)
    assert first(shuffled, a).item() > 10 * first(a + 0.01, a).item()


def test_the_split_is_by_person_and_not_by_file(tmp_path):
    folder = tmp_path / "faces"
    folder.mkdir()
    for number in range(40):
        for kind in ("neutral", "smiling"):
            path = folder / f"{number:03d}_{kind}.png"
            Image.new("RGB", (40, 48), (number, 0, 0)).save(path)
    sides = [{Path(name).stem[:3] for name in faces.names} for faces in people.read([folder], SIZE)]
    assert not sides[0] & sides[1] and len(sides[0] | sides[1]) == 40
    assert sides[1] == {f"{n:03d}" for n in range(40) if people.held_out(f"{n:03d}")}


def test_people_are_taken_from_the_list_beside_a_folder(tmp_path):
    folder = tmp_path / "club"
    folder.mkdir()
    names = ["A", "B", "C", "D", "E", "F", "G", "H", "I", "J", "K", "L"]
    rows = ["file,name"]
    for number, name in enumerate(names * 2):
        Image.new("RGB", (32, 32)).save(folder / f"{number}.png")
        rows.append(f"{number}.png,{name}")
    (tmp_path / "club.csv").write_text("\n".join(rows))
    training, held = people.read([folder], SIZE)
    of = {f"club/{number}.png": name for number, name in enumerate(names * 2)}
    assert {of[name] for name in held.names} == {name for name in names if people.held_out(name)}
    assert not {of[name] for name in held.names} & {of[name] for name in training.names}


def people_in(folder, count=20):
    """A new folder with a photograph each of so many people."""
    folder.mkdir(parents=True)
    noise = np.random.default_rng(0).integers(0, 256, (count, SIZE, SIZE, 3), dtype=np.uint8)
    for number, image in enumerate(noise):
        Image.fromarray(image).save(folder / f"{number}.png")
    return folder


def read_one(folder, name):
    """The pixels of one photograph of a folder."""
    sides = (zip(faces.names, faces.images, strict=True) for faces in people.read([folder], SIZE))
    return dict(chain(*sides))[f"{folder.name}/{name}"]


def test_photographs_are_read_upright_scaled_to_8_bits_and_on_white(tmp_path):
    folder = people_in(tmp_path / "faces")
    half = np.zeros((SIZE, SIZE, 3), np.uint8)
    half[: SIZE // 2] = 200
    turned = Image.Exif()
    turned[0x0112] = 3  # upside down
    Image.fromarray(half).save(folder / "turned.png", exif=turned)
    Image.fromarray(np.full((SIZE, SIZE), 100 * 257, np.uint16)).save(folder / "deep.png")
    Image.new("RGBA", (SIZE, SIZE), (9, 9, 9, 0)).save(folder / "clear.png")
    assert np.array_equal(read_one(folder, "turned.png"), half[::-1])
    assert (read_one(folder, "deep.png") == 100).all()
    assert (read_one(folder, "clear.png") == 255).all()


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_an_ordinary_photograph_keeps_the_pixels_of_its_file(tmp_path, suffix):
    folder = people_in(tmp_path / "faces")
    noise = np.random.default_rng(0).integers(0, 256, (300, 260, 3), dtype=np.uint8)
    Image.fromarray(noise).save(folder / f"noise.{suffix}")
    with Image.open(folder / f"noise.{suffix}") as photo:
        expected = pixels.fit(Image.fromarray(np.asarray(photo)), SIZE)
    assert np.array_equal(read_one(folder, f"noise.{suffix}"), expected)


def test_a_photograph_that_cannot_be_read_is_named(tmp_path):
    folder = people_in(tmp_path / "faces")
    with pytest.raises(Unusable, match=r"faces/0\.png: 32×32 pixels exceed"):
        people.read([folder], SIZE, max_pixels=1000)
    (folder / "broken.png").write_bytes(b"no picture")
    with pytest.raises(Unusable, match=r"faces/broken\.png: not an image"):
        people.read([folder], SIZE)


def test_a_folder_is_called_the_same_from_within_and_by_a_link(tmp_path, monkeypatch):
    folder = people_in(tmp_path / "faces.v2")
    person = {f"{number}.png": "ABCDEFGHIJKL"[number % 12] for number in range(20)}
    rows = ["\ufefffile,name", *map(",".join, person.items())]  # as Excel writes it
    (tmp_path / "faces.v2.csv").write_text("\n".join(rows), encoding="utf-8")
    monkeypatch.chdir(folder)
    training, held = people.read([Path(".")], SIZE)
    assert {name.split("/")[0] for name in training.names + held.names} == {"faces.v2"}
    assert {person[Path(name).name] for name in held.names} == {
        name for name in person.values() if people.held_out(name)
    }
    (tmp_path / "link").symlink_to(folder)
    assert {name[:5] for name in people.read([tmp_path / "link"], SIZE)[0].names} == {"link/"}


def test_a_list_of_something_else_beside_a_folder_is_named(tmp_path):
    folder = people_in(tmp_path / "faces")
    (tmp_path / "faces.csv").write_text("path;age\n0.png;30\n")
    with pytest.raises(Unusable, match=r"faces\.csv: .*columns file and name"):
        people.read([folder], SIZE)


def test_two_folders_of_one_name_are_refused(tmp_path):
    folders = [people_in(tmp_path / place / "faces") for place in ("old", "new")]
    with pytest.raises(Unusable, match="2 folders are called faces"):
        people.read(folders, SIZE)


def test_an_empty_folder_is_named(tmp_path):
    with pytest.raises(ValueError, match="no photographs"):
        people.read([tmp_path], SIZE)


def test_captions_say_what_the_pixels_show():
    noise = np.random.default_rng(0).integers(0, 255, (SIZE, SIZE, 3))
    flat = np.full_like(noise, 250)
    plain, sharp, soft = people.captions(np.stack([noise, noise, flat]).astype(np.uint8))
    assert plain == "a portrait photograph of a face"
    assert sharp == "a sharp portrait photograph of a face"
    assert soft == "a soft portrait photograph of a face, light background"


def test_holes_in_training_are_grown_as_in_use():
    pool = denoiser.hole_pool(12, 64, 4, (0.1, 0.6), 0)
    assert pool.shape == (12, 1, 16, 16)
    large = pool[:, 0].numpy().repeat(4, 1).repeat(4, 2)
    assert all(np.array_equal(to_grid(hole, 4), hole) for hole in large)
    assert all(0 < hole.sum() < hole.numel() for hole in pool)


def test_noise_levels_favour_the_noisy_end():
    settings = SimpleNamespace(terminal=0.25, high_noise=1.5)
    level = denoiser.noise_levels(np.random.default_rng(0), 20_000, settings, 1000)
    assert level.min() >= 0 and level.max() == 999
    assert (level == 999).float().mean().item() == pytest.approx(0.25, abs=0.02)
    assert level[level < 999].float().mean() > 550


def test_the_unet_is_handed_in_training_what_the_pipeline_hands_it(vae, images, tmp_path):
    latents = denoiser.Latents(vae, images, "cpu")
    hole = torch.zeros(4, 1, 8, 8)
    hole[:, :, 2:5, 3:7] = 1
    generator = torch.Generator().manual_seed(1)
    ours = latents.masked(np.arange(4), hole, generator)
    pipe = whole_checkpoint(vae, tmp_path, StableDiffusionInpaintPipeline)
    large = torch.nn.functional.interpolate(hole, scale_factor=4)
    pixels = autoencoder.to_tensor(images) * (large < 0.5)
    generator = torch.Generator().manual_seed(1)
    mask, theirs = pipe.prepare_mask_latents(
        large, pixels, 4, SIZE, SIZE, torch.float32, "cpu", generator, False
    )
    assert torch.equal(mask, hole)
    # Half precision on disk and bfloat16 in training differ by about one part in a hundred.
    assert (ours - theirs).abs().mean() < 0.02 * theirs.abs().mean()


def whole_checkpoint(vae, folder, pipeline):
    tokenizer = networks.tokenizer(CAPTIONS, folder / "words")
    parts = {
        "vae": vae,
        "unet": networks.denoiser([32, 64], SIZE // 4),
        "text_encoder": networks.text_encoder(tokenizer),
        "tokenizer": tokenizer,
        "scheduler": networks.scheduler(),
    }
    networks.write(folder / "model", parts)
    return pipeline.from_pretrained(folder / "model")


@pytest.mark.parametrize("pipeline", [StableDiffusionInpaintPipeline, AutoPipelineForInpainting])
def test_both_plain_pipelines_load_the_folder_and_paint(vae, tmp_path, pipeline):
    pipe = whole_checkpoint(vae, tmp_path, pipeline)
    assert isinstance(pipe, StableDiffusionInpaintPipeline)
    assert pipe.unet.config.in_channels == 9 and pipe.safety_checker is None
    assert pipe.scheduler.config.rescale_betas_zero_snr
    pipe.set_progress_bar_config(disable=True)
    image, mask = torch.rand(1, 3, SIZE, SIZE), torch.ones(1, 1, SIZE, SIZE)
    output = pipe("any façade!", image, mask, num_inference_steps=2, output_type="np").images
    assert output.shape == (1, SIZE, SIZE, 3) and np.isfinite(output).all()
    assert pipe.scheduler.timesteps[0] == 999
    assert not [*(tmp_path / "model").rglob("*.bin")]


def test_every_word_of_a_caption_is_one_token(tmp_path):
    tokenizer = networks.tokenizer(CAPTIONS, tmp_path)
    assert tokenizer.tokenize("a sharp face") == ["a</w>", "sharp</w>", "face</w>"]
    assert tokenizer.unk_token_id not in tokenizer.encode("Ünknown 東")[1:-1]


KILLED_RUN = """
import os, signal, sys
sys.path[:0] = ["stages", "tests"]
import torch
from test_training import *
checkpoint.EVERY_SECONDS = 0
torch.manual_seed(0)
images = np.random.default_rng(0).integers(0, 256, (4, SIZE, SIZE, 3), dtype=np.uint8)
net = networks.autoencoder(CHANNELS, SIZE)
for row in autoencoder.train(net, images, AUTOENCODER, 0, Path(sys.argv[1]), "cpu"):
    if row["step"] == 2:
        os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_run_stopped_by_sigkill_ends_like_one_that_was_not(vae, images, tmp_path):
    root = Path(__file__).parents[1]
    command = [sys.executable, "-c", KILLED_RUN, str(tmp_path / "killed.pt")]
    killed = subprocess.run(command, cwd=root, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()[-500:]
    assert checkpoint.step(tmp_path / "killed.pt") == 3

    for name, steps in (("killed.pt", [3, 4, 5]), ("whole.pt", [*range(6)])):
        torch.manual_seed(0)
        net = networks.autoencoder(CHANNELS, SIZE)
        rows = autoencoder.train(net, images, AUTOENCODER, 0, tmp_path / name, "cpu")
        assert [row["step"] for row in rows] == steps
    resumed, whole = (checkpoint.read(tmp_path / name)["vae"] for name in ("killed.pt", "whole.pt"))
    for name, value in whole.items():
        torch.testing.assert_close(resumed[name], value, rtol=1e-4, atol=1e-5)


def test_a_checkpoint_of_other_settings_is_named(images, tmp_path):
    path = tmp_path / "a.pt"
    checkpoint.save(path, {"step": 1, "vae": networks.autoencoder([16, 32], SIZE).state_dict()})
    with pytest.raises(Unusable, match=r"a\.pt: made with other settings"):
        list(autoencoder.train(conditioned()[0], images, AUTOENCODER, 0, path, "cpu"))


def test_an_average_goes_on_where_its_network_is(tmp_path):
    """On a device that every machine has and that holds no numbers."""
    average = EMAModel(torch.nn.Linear(2, 2, device="meta").parameters())
    kept = EMAModel(torch.nn.Linear(2, 2).parameters()).state_dict()
    checkpoint.save(tmp_path / "a.pt", {"step": 3, "average": kept})
    settings = SimpleNamespace(steps=3, learning_rate=0.1)
    assert not list(loop.repeat(None, {"average": average}, settings, tmp_path / "a.pt"))
    assert [part.device.type for part in average.shadow_params] == ["meta"] * 2


def test_refinement_leaves_the_encoder_as_it_is(vae, images, tmp_path):
    before = {name: value.clone() for name, value in vae.state_dict().items()}
    rows = list(autoencoder.refine(vae, images, REFINE, 0, tmp_path / "r.pt", "cpu"))
    changed = {name for name, value in vae.state_dict().items() if not value.equal(before[name])}
    assert changed and not {name for name in changed if name.startswith(("encoder", "quant_conv"))}
    assert "adversarial" not in rows[0] and rows[1]["balance"] > 0


def test_a_term_of_weight_zero_is_switched_off(vae, images, tmp_path):
    settings = SimpleNamespace(**{**vars(REFINE), "adversarial": 0.0})
    rows = list(autoencoder.refine(vae, images, settings, 0, tmp_path / "r.pt", "cpu"))
    assert not {"adversarial", "discriminator"} & rows[-1].keys()


def test_the_denoiser_resumes_from_its_checkpoint_and_is_restored_averaged(vae, images, tmp_path):
    latents = denoiser.Latents(vae, images, "cpu")
    assert latents.clean.std().item() == pytest.approx(1.0, abs=1e-3)
    assert len(latents.images) == 2 * len(images)
    tokenizer = networks.tokenizer(CAPTIONS, tmp_path / "words")
    path = tmp_path / "d.pt"

    def train(steps):
        nets = networks.denoiser([32, 64], SIZE // 4), networks.text_encoder(tokenizer)
        settings = SimpleNamespace(**{**vars(DENOISER), "steps": steps})
        rest = (tokenizer, networks.scheduler(), latents, CAPTIONS * 4, settings, 0, path, "cpu")
        return nets, [row["step"] for row in denoiser.train(*nets, *rest)]

    assert train(2)[1] == [0, 1]
    (unet, text_encoder), steps = train(4)
    assert steps == [2, 3]
    trained = {name: value.clone() for name, value in unet.state_dict().items()}
    state = checkpoint.read(path)
    denoiser.restore(state, vae, unet, text_encoder)
    assert vae.config.scaling_factor == pytest.approx(latents.scale)
    assert any(not value.equal(trained[name]) for name, value in unet.state_dict().items())


def test_the_log_keeps_means_of_twenty_steps_and_the_last_of_two_runs(tmp_path):
    path = tmp_path / "losses.jsonl"
    for rise in (0, 100):
        rows = ({"step": step, "loss": float(step + rise)} for step in range(45))
        assert len(list(loop.logged(rows, path))) == 45
    assert loop.read_log(path) == [{"step": 19, "loss": 109.5}, {"step": 39, "loss": 129.5}]


def test_the_log_forgets_what_came_after_the_checkpoint_that_a_killed_run_left(tmp_path):
    path = tmp_path / "losses.jsonl"
    for first, rise in ((0, 0), (50, 1000)):
        list(loop.logged(({"step": n, "loss": float(n + rise)} for n in range(first, 110)), path))
    rows = loop.read_log(path)
    assert [row["step"] for row in rows] == [19, 39, 59, 69, 89, 109]
    assert [row["loss"] > 1000 for row in rows] == [False] * 3 + [True] * 3


def test_validation_holes_depend_on_their_own_name_alone():
    some = validation.holes("strokes", ["a", "b"], 64, 0)
    more = validation.holes("strokes", ["b", "c"], 64, 0)
    assert np.array_equal(some[1], more[0])
    assert all(0.49 <= hole.mean() <= 0.91 for hole in some + more)


def test_means_leave_out_what_has_no_value():
    rows = [
        {"hole_fraction": 0.2, "hole_psnr": 10.0, "hole_ssim": 0.5, "hole_sharpness": None},
        {"hole_fraction": 0.8, "hole_psnr": 20.0, "hole_ssim": 0.7, "hole_sharpness": 1.0},
    ]
    assert validation.means(rows) == {
        "count": 2, "hole_psnr": 15.0, "hole_ssim": 0.6, "hole_sharpness": 1.0,
    }  # fmt: skip
    assert list(validation.by_fraction(rows)) == ["0-0.3", "0.7-1"]


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["export"], 1, "run train.py denoiser first"),
        (["denoiser"], 2, "--photos"),
        (["sharpen"], 2, "autoencoder, refine, denoiser, finish, export"),
        (["autoencoder", "--photos", "nowhere"], 1, "nowhere: no photographs"),
    ],
)
def test_the_script_tells_in_a_line_what_is_missing(tmp_path, arguments, code, told):
    root = Path(__file__).parents[1]
    command = [sys.executable, root / "stages" / "train.py", *arguments]
    command += ["--params", root / "params.yaml"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert ended.returncode == code
    assert told in ended.stderr.replace("'", "").splitlines()[-1]


def test_the_model_card_has_the_numbers_that_were_measured():
    model = ROOT / "data" / "models" / "face-tiny"
    text = (model / "README.md").read_text(encoding="utf-8")
    facts = json.loads((model / "train.json").read_text())
    assert card.fill_in(text, facts) == text
    facts["validation"]["rectangles"]["model"]["all"]["hole_psnr"] += 1
    assert card.fill_in(text, facts) != text
    with pytest.raises(ValueError, match="<!-- table: strokes -->"):
        card.fill_in(text.replace("table: strokes", "table: others"), facts)


WIDTHS = [16, 32, 64]  # a conditioned decoder wants each level twice as wide
FINISH = SimpleNamespace(
    steps=4, batch_size=2, window=24, whole=0.5, learning_rate=1e-3, decoder_factor=2.0,
    cooldown=0.5, ema_decay=0.9, known=0.1, gradient=0.25, latent=0.1, multi_step=1, perceptual=0.1,
    adversarial=0.1, adversarial_start=1, feature_matching=0.1, discriminator_channels=8,
    caption_dropout=0.5,
)  # fmt: skip


def conditioned(seed: int = 0):
    torch.manual_seed(seed)
    plain = networks.autoencoder(WIDTHS, SIZE)
    return plain, networks.conditioned(plain)


def test_a_conditioned_decoder_starts_as_the_plain_one(images):
    plain, made = conditioned()
    pixels = autoencoder.to_tensor(images)
    with torch.inference_mode():
        latents = plain.encode(pixels).latent_dist.mode()
        torch.testing.assert_close(made.encode(pixels).latent_dist.mode(), latents)
        torch.testing.assert_close(made.decode(latents).sample, plain.decode(latents).sample)


def test_a_conditioned_decoder_sees_the_surroundings_and_not_the_hole(images):
    _, made = conditioned()
    hole = torch.zeros(4, 1, SIZE, SIZE)
    hole[..., 8:20, 8:20] = 1
    pixels, latents = autoencoder.to_tensor(images), torch.randn(4, 4, SIZE // 4, SIZE // 4)
    with torch.inference_mode():
        before = made.decode(latents, image=pixels, mask=hole).sample
        inside = made.decode(latents, image=pixels * (1 - hole), mask=hole).sample
        outside = made.decode(latents, image=pixels * hole, mask=hole).sample
    assert torch.equal(before, inside) and not torch.equal(before, outside)


def finishing(images, path, steps, **changes):
    """Networks after some steps of `finish`, and the steps' rows."""
    tokenizer = networks.tokenizer(CAPTIONS, path.parent / "words")
    torch.manual_seed(1)
    parts = {
        "vae": conditioned()[1],
        "unet": networks.denoiser([32, 64], SIZE // 4),
        "text_encoder": networks.text_encoder(tokenizer),
    }
    settings = SimpleNamespace(**vars(FINISH) | {"steps": steps} | changes)
    rows = finish.train(
        **parts, tokenizer=tokenizer, scheduler=networks.scheduler(), images=images,
        captions=CAPTIONS * 2, holes=(6, 0.1, 0.6), settings=settings, base_seed=0, path=path,
        device="cpu",
    )  # fmt: skip
    return parts, list(rows)


def test_finishing_knows_the_latents_of_what_it_shows_mirrored_or_not(images):
    _, vae = conditioned()
    clean = finish.both_ways(vae, images, "cpu")
    settings = SimpleNamespace(**vars(FINISH) | {"batch_size": 8})
    batch = finish.draw(
        np.random.default_rng(0), torch.Generator(), images, clean, np.zeros(len(images)),
        torch.ones(1, 1, SIZE // 4, SIZE // 4), settings, 1000, "cpu",
    )  # fmt: skip
    with torch.no_grad():
        expected = vae.encode(batch.pixels).latent_dist.mode() * vae.config.scaling_factor
    right, mirrored = ((batch.clean - other).abs().max() for other in (expected, expected.flip(-1)))
    assert right < mirrored / 10  # not zero: where bfloat16 is quicker, they are as coarse as that


def test_finishing_resumes_from_its_checkpoint_and_keeps_the_encoder(images, tmp_path):
    before = {name: value.clone() for name, value in conditioned()[1].state_dict().items()}
    _, rows = finishing(images, tmp_path / "f.pt", 2)
    parts, more = finishing(images, tmp_path / "f.pt", 4)
    assert [row["step"] for row in rows + more] == [0, 1, 2, 3]
    assert "adversarial" not in rows[0]
    assert {"l1", "latent", "adversarial", "discriminator"} < more[0].keys()
    changed = {n for n, value in parts["vae"].state_dict().items() if not value.equal(before[n])}
    assert changed and not {n for n in changed if n.startswith(("encoder", "quant_conv"))}

    trained = parts["unet"].conv_in.weight.detach().clone()
    finish.restore(checkpoint.read(tmp_path / "f.pt"), *(parts[n] for n in list(parts)))
    assert not torch.equal(parts["unet"].conv_in.weight, trained)


def test_finishing_that_was_stopped_ends_like_finishing_that_was_not(images, tmp_path):
    finishing(images, tmp_path / "stopped.pt", 2)
    finishing(images, tmp_path / "stopped.pt", 4)
    finishing(images, tmp_path / "whole.pt", 4)
    stopped, whole = (checkpoint.read(tmp_path / name) for name in ("stopped.pt", "whole.pt"))
    for part in ("nets", "judge"):
        for name, value in whole[part].items():
            torch.testing.assert_close(stopped[part][name], value, rtol=1e-3, atol=1e-4)
    averages = [state["average"]["shadow_params"] for state in (stopped, whole)]
    for one, other in zip(*averages, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


def test_settings_count_after_a_resume_and_not_those_of_the_checkpoint(images, tmp_path):
    finishing(images, tmp_path / "f.pt", 1)
    finishing(images, tmp_path / "f.pt", 2, ema_decay=0.5, decoder_factor=7.0)
    state = checkpoint.read(tmp_path / "f.pt")
    assert state["average"]["decay"] == 0.5
    assert [group.get("factor") for group in state["optimizer"]["param_groups"]] == [None, 7.0]


def test_a_step_of_training_shows_what_the_pipeline_shows(images, tmp_path):
    tokenizer = networks.tokenizer(CAPTIONS, tmp_path / "words")
    vae, unet = conditioned()[1].eval(), networks.denoiser([32, 64], SIZE // 4).eval()
    parts = {"vae": vae, "unet": unet, "text_encoder": networks.text_encoder(tokenizer).eval()}
    rest = {"tokenizer": tokenizer, "scheduler": networks.scheduler(), "safety_checker": None}
    pipe = StableDiffusionInpaintPipeline(
        **parts, **rest, feature_extractor=None, requires_safety_checker=False
    )
    pipe.set_progress_bar_config(disable=True)
    hole = torch.zeros(2, 1, SIZE // 4, SIZE // 4)
    hole[0, :, 2:5, 3:7] = hole[1, :, 1:7, 4:] = 1
    pixels = autoencoder.to_tensor(images[:2])
    noise = torch.randn(2, 4, SIZE // 4, SIZE // 4, generator=torch.Generator().manual_seed(3))
    level, said = torch.full((2,), 999), torch.zeros(2, dtype=torch.int64)
    batch = finish.Batch(pixels, torch.zeros_like(noise), hole, level, noise, said)
    nets = finish.trained_parts(*parts.values())
    tokens = tokenizer(CAPTIONS[:1], padding="max_length", truncation=True, return_tensors="pt")
    settings = SimpleNamespace(**vars(FINISH))
    with torch.inference_mode():
        drawn = torch.Generator().manual_seed(1)
        told, _ = finish.predict(nets, vae, pipe.scheduler, tokens.input_ids, batch, drawn)
        rng = np.random.default_rng(0)
        settings.window = SIZE
        made, real, _ = finish.pictures(nets, vae, told, batch, settings, rng, whole=False)
        large = torch.nn.functional.interpolate(hole, scale_factor=4)
        theirs = pipe(
            CAPTIONS[:1] * 2, pixels, large, height=SIZE, width=SIZE, num_inference_steps=1,
            guidance_scale=1.0, latents=noise, generator=torch.Generator().manual_seed(1),
            output_type="pt",
        ).images  # fmt: skip
    assert torch.equal(real, pixels)
    torch.testing.assert_close((made / 2 + 0.5).clamp(0, 1), theirs, rtol=0, atol=2e-3)


def test_the_pixels_teach_the_denoiser(images, tmp_path):
    silent = dict.fromkeys(("latent", "gradient", "perceptual", "adversarial"), 0.0)
    silent |= {"cooldown": 0.0, "multi_step": 0}
    _, rows = finishing(images[:1].repeat(4, 0), tmp_path / "f.pt", 60, **silent)
    first, last = (np.mean([row["l1"] for row in part]) for part in (rows[:10], rows[-10:]))
    assert last < 0.9 * first


def test_a_finished_model_is_an_ordinary_checkpoint(images, tmp_path):
    parts, _ = finishing(images, tmp_path / "f.pt", 1)
    tokenizer = networks.tokenizer(CAPTIONS, tmp_path / "words")
    whole = parts | {"tokenizer": tokenizer, "scheduler": networks.scheduler()}
    networks.write(tmp_path / "model", whole)
    read = networks.read(tmp_path / "model")
    assert type(read["vae"]).__name__ == "AsymmetricAutoencoderKL"
    pipe = AutoPipelineForInpainting.from_pretrained(tmp_path / "model")
    assert isinstance(pipe, StableDiffusionInpaintPipeline)
    hole = np.zeros((SIZE, SIZE), bool)
    hole[8:20, 8:20] = True
    (made,) = validation.inpaint(read | {"scheduler": pipe.scheduler}, images[:1], [hole], ["a"])
    assert np.array_equal(made[~hole], images[0][~hole]) and not np.array_equal(made, images[0])


def test_a_cell_of_the_latent_grid_that_a_hole_touches_is_hidden_as_in_use(images, tmp_path):
    parts, _ = finishing(images, tmp_path / "f.pt", 1)
    tokenizer = networks.tokenizer(CAPTIONS, tmp_path / "words")
    whole = parts | {"tokenizer": tokenizer, "scheduler": networks.scheduler()}
    hole = np.zeros((SIZE, SIZE), bool)
    hole[9:20, 8:20] = True  # row 8 is of the same cells
    changed = images[:1].copy()
    changed[0, 8, 8:20] ^= 255
    (made,), (other,) = (
        validation.inpaint(whole, pictures, [hole], ["a"]) for pictures in (images[:1], changed)
    )
    assert np.array_equal(made[hole], other[hole])


def test_fewer_whole_photographs_are_decoded_at_the_cost_of_the_windows(images, tmp_path):
    _, vae = conditioned()
    nets = torch.nn.ModuleDict({"decoder": vae.decoder, "post_quant_conv": vae.post_quant_conv})
    pixels, latents = autoencoder.to_tensor(images), torch.randn(4, 4, SIZE // 4, SIZE // 4)
    hole = torch.ones(4, 1, SIZE // 4, SIZE // 4)
    batch = finish.Batch(pixels, latents, hole, *(torch.zeros(4),) * 3)
    settings = SimpleNamespace(window=16, batch_size=4)
    shapes = []
    for whole in (False, True):
        rng = np.random.default_rng(0)
        with torch.inference_mode():
            made, _, _ = finish.pictures(nets, vae, latents, batch, settings, rng, whole)
        shapes.append(tuple(made.shape))
    assert shapes == [(4, 3, 16, 16), (1, 3, SIZE, SIZE)]


def test_a_window_holds_some_of_the_hole():
    hole = np.zeros((8, 8))
    hole[7, 0] = 1
    for number in range(20):
        top, left = finish.window(hole, 3, np.random.default_rng(number))
        assert hole[top : top + 3, left : left + 3].any() and hole[top : top + 3].shape[0] == 3


def test_a_longer_run_has_the_same_rates_until_the_shorter_one_cools_down():
    short, long = ([loop.plateau(n, steps, 1.0, 0.2) for n in range(800)] for steps in (1000, 2000))
    assert short == long and short[60] == 1.0
    assert loop.plateau(900, 1000, 1.0, 0.2) == pytest.approx(0.5)


@pytest.mark.parametrize("faster", [torch.bfloat16, torch.float32])
def test_networks_compute_in_the_faster_precision(monkeypatch, faster):
    """Whichever that is: by a clock that only convolutions move on, one type's more than others."""
    seconds, convolve = [0.0], torch.nn.Conv2d.forward

    def timed(layer, batch):
        seconds.append(seconds[-1] + (1.0 if batch.dtype is faster else 2.0))
        return convolve(layer, batch)

    monkeypatch.setattr(torch.nn.Conv2d, "forward", timed)
    monkeypatch.setattr(time, "monotonic", lambda: seconds[-1])
    monkeypatch.setattr(loop, "precision", cache(loop.precision.__wrapped__))
    with loop.autocast("cpu"):
        assert torch.nn.Linear(2, 2)(torch.zeros(1, 2)).dtype is faster


def test_the_model_is_assessed_by_the_stages_of_the_pipeline(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    names = [f"{folder}/{number}.png" for folder in ("hill", "lake") for number in range(3)]
    faces = people.Faces(names, rng.integers(0, 256, (6, 32, 32, 3), dtype=np.uint8))
    settings = params.load(ROOT / "params.yaml").model_dump()
    settings["train"] |= {"side": 32}
    settings["fetch"] |= {"start": 1, "count": 2, "column": "image"}
    settings["evaluate"] |= {"reference": "none", "learned": ["lpips"]}
    photos = tmp_path / ".work" / "assess" / "hole" / "photos"
    photos.mkdir(parents=True)
    for name in ("hill--0.png.png", "sea--0.png.png"):  # what an earlier call left
        Image.new("RGB", (64, 64)).save(photos / name)
    methods = {"backend": "telea", "contenders": {"mean": {"backend": "mean"}}}
    folder = assess.fill("hole", faces, settings, assess.KINDS["rectangles"], methods)
    table = assess.tabulate(folder)
    assert list(table) == ["model", "baseline", "mean"]
    whole = table["model"]["all"]
    assert whole["count"] == 6 and table["model"]["by_set"].keys() == {"hill", "lake"}
    low, high = whole["intervals"]["hole_psnr"]
    assert low < whole["hole_psnr"] < high
    assert table["model"]["all"]["hole_psnr"] == table["baseline"]["all"]["hole_psnr"]
    fetched = folder / "data" / "images" / "hill--0-png.png"
    assert np.array_equal(pixels.load(fetched), faces.images[0])
    assess.sheet(folder, tmp_path / "sheet.jpg", ["model", "baseline"])
    side = 32 + pictures.GAP  # original, hole and two results of six photographs, twelve in a row
    assert Image.open(tmp_path / "sheet.jpg").size == (12 * side, 2 * side)


def test_the_parts_of_two_models_take_each_others_place(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    before = networks.read(assess.MODEL)
    with torch.no_grad():
        before["unet"].conv_out.weight.mul_(0.5)
    networks.write(tmp_path, before | {"scheduler": networks.scheduler()})
    rng = np.random.default_rng(0)
    faces = people.Faces(["hill/0.png"], rng.integers(0, 256, (1, 64, 64, 3), dtype=np.uint8))
    table = assess.parts_in_turn(faces, tmp_path)
    psnr = {arm: means["rectangles"]["hole_psnr"] for arm, means in table.items()}
    # The decoder is the same in both and the denoiser is not; blind, it draws otherwise.
    assert psnr["before `finish`"] == psnr["+ decoder"] != psnr["+ denoiser"] == psnr["+ both"]
    assert psnr["+ both, the decoder blind"] != psnr["+ both"]


def test_models_to_compare_are_measured_by_whose_photographs_have_the_holes(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    for place in (folders := [tmp_path / "congress", tmp_path / "lake"]):
        place.mkdir()
        for number in range(30):
            noise = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
            Image.fromarray(noise).save(place / f"{number}.png")
    model = ROOT / assess.MODEL
    monkeypatch.setattr(assess, "MODEL", tmp_path)
    for name in ("README.md", "train.json"):
        shutil.copyfile(model / name, tmp_path / name)
    settings = params.load(ROOT / "params.yaml").model_dump()
    settings["train"] |= {"side": 64}
    assess.arms(settings, folders, {"one": model, "same": model})
    table = json.loads((tmp_path / "train.json").read_text())["arms"]
    own, other, *again = table.values()
    assert own != other and again == [own, other]
    for label, means in table.items():
        assert label.endswith(f"({means['strokes']['count']})")
        row = f"| {label} | {means['rectangles']['hole_psnr']:.2f}"
        assert row in (tmp_path / "README.md").read_text()
    assess.arms(settings, folders[1:], {"one": model})
    assert [*json.loads((tmp_path / "train.json").read_text())["arms"].values()] == [other]


SMALL = {
    "train": {"side": SIZE},
    "autoencoder": {"channels": WIDTHS, "steps": 2, "batch_size": 2, "crop": SIZE},
    "refine": {"steps": 2, "batch_size": 2, "crop": SIZE, "adversarial_start": 1,
               "discriminator_channels": 8},
    "denoiser": {"channels": [32, 64], "steps": 2, "batch_size": 2, "holes": 8},
    "finish": {"steps": 2, "batch_size": 2, "holes": 8, "window": SIZE, "multi_step": 1,
               "adversarial_start": 1, "discriminator_channels": 8},
}  # fmt: skip


def small_settings(folder, **blocks):
    """A file of settings with which every command takes a moment."""
    content = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    for name, changes in [*SMALL.items(), *blocks.items()]:
        content[name] |= changes
    (folder / "params.yaml").write_text(yaml.safe_dump(content))
    return folder / "params.yaml"


def test_validation_ends_with_a_model_card(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(assess, "KINDS", {"rectangles": assess.KINDS["rectangles"]})
    monkeypatch.setattr(assess, "STEPS", (1, 2))
    monkeypatch.setattr(assess, "SAMPLES", 2)
    for place, vae in zip(("before", "after"), conditioned(), strict=True):
        whole_checkpoint(vae, tmp_path / place, StableDiffusionInpaintPipeline)
    shutil.move(tmp_path / "after" / "model", assess.MODEL)
    for name in ("README.md", "train.json"):
        shutil.copyfile(ROOT / assess.MODEL / name, assess.MODEL / name)
    sh(tmp_path, "git", "init", "-q")
    commit(tmp_path, "Start")
    photos, settings = people_in(tmp_path / "london", 60), small_settings(tmp_path)
    assess.main(settings, "validate", [photos], tmp_path / "before" / "model", [])
    facts = json.loads((assess.MODEL / "train.json").read_text())
    whole = facts["validation"]["rectangles"]["before"]["all"]
    assert whole["count"] == facts["photographs"]["validation"]["images"] == 7
    assert f"{whole['hole_psnr']:.2f}" in (assess.MODEL / "README.md").read_text(encoding="utf-8")
    for name in ("curves.png", "rectangles.jpg"):
        assert min(Image.open(assess.MODEL / name).size) > SIZE


@pytest.mark.parametrize(
    ("command", "given", "error", "told"),
    [
        ("validate", {"photos": ["faces"]}, BadSetting, "--before"),
        ("arms", {"photos": ["faces"]}, BadSetting, "--models"),
        ("arms", {"photos": ["faces"], "models": ["nosuch"]}, BadSetting, "NAME=FOLDER"),
        ("arms", {"photos": ["faces"], "models": ["a=nosuch"]}, Unusable, "nosuch: holds no"),
    ],
)
def test_assess_tells_what_is_missing(tmp_path, monkeypatch, command, given, error, told):
    monkeypatch.chdir(people_in(tmp_path / "faces").parent)
    given = {"photos": [], "before": None, "models": []} | given
    given["photos"] = [*map(Path, given["photos"])]
    with pytest.raises(error, match=told):
        assess.main(ROOT / "params.yaml", command, **given)


def test_the_commands_lead_from_photographs_to_a_model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(train, "PREVIEW_STEPS", 2)
    monkeypatch.setattr(loop, "AVERAGED_STEPS", 1)
    settings, photos = small_settings(tmp_path), [people_in(tmp_path / "faces")]
    for commands, kind in (
        (("autoencoder", "refine", "denoiser", "export"), "AutoencoderKL"),
        (("finish", "export"), "AsymmetricAutoencoderKL"),
    ):
        for command in commands:
            train.main(settings, command, photos)
        assert type(networks.read(train.MODEL)["vae"]).__name__ == kind
    with pytest.raises(Unusable, match=r"autoencoder\.pt: made with other settings"):
        train.main(small_settings(tmp_path, autoencoder={"channels": [16, 16]}), "refine", photos)

    logs = {name: loop.read_log(train.WORK / f"{name}.jsonl") for name in pictures.TERMS}
    assert {name: [row["step"] for row in rows] for name, rows in logs.items()} == {
        name: [0, 1] for name in pictures.TERMS
    }
    for phase in ("denoiser", "finish"):
        (scores,) = loop.read_log(train.WORK / f"{phase}-validation.jsonl")
        assert scores["step"] == 2 and scores["strokes_hole_psnr"] > 0
        sheet = Image.open(train.WORK / "sheets" / f"{phase}-000002.jpg")
        assert sheet.size == (SIZE + pictures.GAP, 6 * (SIZE + pictures.GAP))
    means = {name: scores[f"rectangles_{name}"] for name in pictures.QUALITY}
    steps = {"rectangles": {"model": {"all": means | {"hole_diversity": 0.0}}}}
    curves = pictures.curves(logs, [scores], steps)
    assert Image.open(io.BytesIO(curves)).format == "PNG"


def test_refinement_starts_from_the_seed_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings, photos = small_settings(tmp_path), [people_in(tmp_path / "faces")]
    train.main(settings, "autoencoder", photos)
    judges = []
    for state in (1, 2):
        torch.manual_seed(state)
        train.main(settings, "refine", photos)
        judges.append(checkpoint.read(train.WORK / "refine.pt")["judge"])
        (train.WORK / "refine.pt").unlink()
    assert all(torch.equal(judges[0][name], judges[1][name]) for name in judges[0])


@pytest.mark.parametrize("command", ["autoencoder", "refine"])
def test_a_crop_larger_than_the_photographs_is_a_bad_setting(tmp_path, command):
    settings = small_settings(tmp_path, **{command: {"crop": SIZE + 8}})
    with pytest.raises(BadSetting, match=rf"{command}\.crop = 40: larger than train\.side 32"):
        train.main(settings, command, [tmp_path])


def test_an_interrupted_training_says_so_in_a_line(tmp_path):
    small_settings(tmp_path, autoencoder={"steps": 10**6})
    command = [sys.executable, ROOT / "stages" / "train.py", "autoencoder"]
    command += ["--photos", people_in(tmp_path / "faces")]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    while not (tmp_path / train.WORK / "autoencoder.jsonl").is_file():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    told = process.communicate()[1]
    assert process.returncode == 130 and "Traceback" not in told
    assert told.splitlines()[-1].startswith("train.py: interrupted")


def test_what_is_finished_must_have_been_exported(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Unusable, match="face-tiny: holds no checkpoint.*export"):
        train.main(small_settings(tmp_path), "finish", [people_in(tmp_path / "faces")])
