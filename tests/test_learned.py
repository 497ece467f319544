"""Pretrained networks, with weights of known random numbers: what is done with them is tested.

Whether the network code is right is told by other libraries' results for the same weights, which
stand here as numbers: the libraries need a torchvision that matches torch's build.
"""

import hashlib
import io
import pickle
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import helper, numpy_helper
from skimage.data import astronaut
from transformers import CLIPModel, CLIPTokenizer, Dinov2Model
from transformers.image_utils import (
    IMAGENET_DEFAULT_MEAN,
    IMAGENET_DEFAULT_STD,
    OPENAI_CLIP_MEAN,
    OPENAI_CLIP_STD,
)

from wizard import images, metrics
from wizard.console import BadSetting
from wizard.metrics import (
    checkpoints,
    clip,
    coherence,
    dino,
    identity,
    inception,
    learned,
    networks,
    perceptual,
)
from wizard.metrics.distances import discrimination
from wizard.records import Unusable

# What other libraries give for the weights below.
LPIPS = [0.19813430, 0.19321619]
FEATURES, MEAN_FEATURE = [8.2095356, 0.16609620, 0.0, 6.9895954], 3.9786715


def random_tensors(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Weights that depend on their names and shapes alone, of a size that keeps signals alive."""
    tensors = {}
    for name, old in network.state_dict().items():
        rng = np.random.default_rng(zlib.crc32(name.encode()))
        if name.endswith("num_batches_tracked"):
            continue
        if old.ndim == 4:
            new = rng.normal(0, (2 / old[0].numel()) ** 0.5, old.shape)
        elif name.endswith(("bn.weight", "running_var")):
            new = rng.uniform(0.5, 1.5, old.shape)
        else:
            new = rng.normal(0, 0.1, old.shape)
        tensors[name] = torch.tensor(new, dtype=torch.float32)
    return tensors


def alexnet_tensors() -> dict[str, torch.Tensor]:
    """The features' weights, with a layer of the classifier, which nobody asks for."""
    tensors = random_tensors(torch.nn.ModuleDict({"features": perceptual.Lpips().features}))
    return tensors | {"classifier.1.weight": torch.zeros(2, 2)}


def channel_tensors() -> dict[str, torch.Tensor]:
    return {
        f"lin{number}.model.1.weight": torch.tensor(
            np.random.default_rng(number).uniform(0, 1, (1, width, 1, 1)), dtype=torch.float32
        )
        for number, width in enumerate((64, 192, 384, 256, 256))
    }


def inception_tensors() -> dict[str, torch.Tensor]:
    tensors = random_tensors(inception.Inception())
    return tensors | {"fc.weight": torch.zeros(1008, 2048), "fc.bias": torch.zeros(1008)}


def pair() -> tuple[np.ndarray, np.ndarray]:
    """A face of 128×128 and the same under noise."""
    face = astronaut()[:128, 150:278]
    noise = np.random.default_rng(0).normal(0, 25, face.shape)
    return face, (face + noise).round().clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def files():
    """Bytes of the published files, of the right form and with random numbers."""

    def saved(tensors: dict) -> bytes:
        buffer = io.BytesIO()
        torch.save(tensors, buffer)
        return buffer.getvalue()

    return {
        (perceptual, "ALEXNET"): saved(alexnet_tensors()),
        (perceptual, "CHANNEL_WEIGHTS"): saved(channel_tensors()),
        (inception, "WEIGHTS"): saved(inception_tensors()),
        (identity, "DETECTOR"): detector([FACE]),
        (identity, "EMBEDDER"): embedder(),
    }


@pytest.fixture
def publish(files, tmp_path, monkeypatch):
    """Lay files where downloads are kept, as if they were the published ones."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    folder = tmp_path / "torch/hub/checkpoints"
    folder.mkdir(parents=True)

    def lay(module, name: str, data: bytes) -> None:
        digest = hashlib.sha256(data).hexdigest()
        checkpoint = replace(getattr(module, name), sha256=digest)
        monkeypatch.setattr(module, name, checkpoint)
        (folder / checkpoint.name).write_bytes(data)

    for (module, name), data in files.items():
        lay(module, name, data)
    return lay


@pytest.fixture(scope="module")
def setup(tmp_path_factory):
    """Networks of transformers' real classes at tiny size."""
    from transformers import CLIPConfig, Dinov2Config

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("networks")
    tiny = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    Dinov2Model(Dinov2Config(**tiny, image_size=28)).save_pretrained(folder / "dino")
    words = ["<|startoftext|>", "<|endoftext|>", *(f"{one}</w>" for one in "abc")]
    words = {word: number for number, word in enumerate([*words, "a", "b", "c"])}
    CLIPTokenizer(vocab=words, merges=[]).save_pretrained(folder / "clip")
    tiny["intermediate_size"] = 16
    text = {"vocab_size": len(words), "max_position_embeddings": 8}
    text |= {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1}
    vision = {"image_size": 32, "patch_size": 16}
    config = CLIPConfig(text_config=tiny | text, vision_config=tiny | vision, projection_dim=8)
    CLIPModel(config).save_pretrained(folder / "clip")
    return networks.Setup(str(folder / "dino"), str(folder / "clip"), "cpu", 4)


class TestLpips:
    def test_it_equals_the_authors_package_on_the_same_weights(self, publish, setup):
        """lpips 0.1.4, LPIPS(net="alex", pnet_rand=True) with these weights put in."""
        face, noisy = pair()
        originals, results = [face, noisy[:63, :90]], [noisy, face[:63, :90]]
        values = perceptual.score(originals, results, replace(setup, batch=1))
        assert values == pytest.approx(LPIPS, rel=1e-4)

    def test_it_is_zero_for_the_same_picture_and_the_same_both_ways(self, publish, setup):
        face, noisy = pair()
        there, back, same = perceptual.score([face, noisy, face], [noisy, face, face], setup)
        assert same == 0 < there
        assert there == pytest.approx(back, rel=1e-6)

    def test_a_picture_too_small_for_the_network_has_no_value(self, publish, setup):
        face, noisy = pair()
        pictures = [face, face[:16, :16], face[:31], face[:32, :32]]
        others = [noisy, noisy[:16, :16], noisy[:31], noisy[:32, :32]]
        values = perceptual.score(pictures, others, setup)
        assert [value is None for value in values] == [False, True, True, False]


class TestInception:
    def test_it_equals_torch_fidelity_on_the_same_weights(self, publish, setup):
        """torch-fidelity 0.4.0, FeatureExtractorInceptionV3 with these weights, 299×299 pixels."""
        found = inception.features([astronaut()[:299, 100:399]], setup)
        assert found.shape == (1, 2048) and found.dtype == np.float64
        assert found[0, :4] == pytest.approx(FEATURES, rel=1e-4)
        assert found.mean() == pytest.approx(MEAN_FEATURE, rel=1e-5)

    def test_pictures_are_resized_with_antialiasing_and_not_rounded(self):
        stripes = np.zeros((598, 598, 3), np.uint8)
        stripes[:, ::2] = 1
        assert inception.clean(stripes)[:, 5:-5] == pytest.approx(0.5, abs=1e-6)
        face, _ = pair()
        assert inception.clean(face[:, :100]).shape == (299, 299, 3)


# x and y of eyes, nose and corners of the mouth.
FACE = [(48, 52), (80, 52), (64, 68), (52, 84), (76, 84)]


def detector(faces: list[list[tuple[int, int]]]) -> bytes:
    """An ONNX model with YuNet's outputs that finds the given faces in every picture."""
    weights, nodes, outputs = [], [], []
    for stride in (8, 16, 32):
        across = identity.CANVAS // stride
        tables = {
            name: np.zeros((1, across**2, width), np.float32)
            for name, width in (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10))
        }
        for face in faces if stride == 8 else []:
            points = np.array(face) / stride
            column, row = corner = points[2].astype(int)
            cell = row * across + column
            tables["cls"][0, cell] = tables["obj"][0, cell] = 1
            tables["kps"][0, cell] = (points - corner).ravel()
            tables["bbox"][0, cell] = [*(points[2] - corner), *np.log(np.ptp(points, axis=0) * 1.5)]
        for name, table in tables.items():
            key = f"{name}_{stride}"
            weights.append(numpy_helper.from_array(table, f"{key}_table"))
            nodes.append(helper.make_node("Add", [f"{key}_table", "nothing"], [key]))
            outputs.append(helper.make_tensor_value_info(key, onnx.TensorProto.FLOAT, table.shape))
    weights.append(numpy_helper.from_array(np.zeros((), np.float32), "zero"))
    nodes = [
        helper.make_node("ReduceMean", ["input"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        *nodes,
    ]
    return model(nodes, ("input", (1, 3, identity.CANVAS, identity.CANVAS)), outputs, weights)


def embedder() -> bytes:
    """An ONNX model of SFace's input and output: random projections of 16×16 pixel means."""
    projection = np.random.default_rng(0).normal(size=(3 * 7 * 7, 128)).astype(np.float32)
    nodes = [
        helper.make_node("AveragePool", ["data"], ["m"], kernel_shape=[16, 16], strides=[16, 16]),
        helper.make_node("Flatten", ["m"], ["f"]),
        helper.make_node("MatMul", ["f", "projection"], ["fc1"]),
    ]
    output = helper.make_tensor_value_info("fc1", onnx.TensorProto.FLOAT, (1, 128))
    weights = [numpy_helper.from_array(projection, "projection")]
    return model(nodes, ("data", (1, 3, 112, 112)), [output], weights)


def model(nodes: list, given: tuple, outputs: list, weights: list) -> bytes:
    given = helper.make_tensor_value_info(given[0], onnx.TensorProto.FLOAT, given[1])
    graph = helper.make_graph(nodes, "graph", [given], outputs, weights)
    opset = [helper.make_opsetid("", 11)]
    return helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()


class TestIdentity:
    def test_the_same_face_is_fully_alike_and_another_less(self, publish, setup):
        face, _ = pair()
        same, other = identity.score([face, face], [face, face[::-1]], setup)
        assert same == pytest.approx(1, abs=1e-6)
        assert other < 0.99

    def test_only_the_place_of_the_original_face_is_looked_at(self, publish, setup):
        face, _ = pair()
        beside, within = face.copy(), face.copy()
        beside[-8:, :] = 255
        within[60:76, 50:80] = 255
        far, near = identity.score([face, face], [beside, within], setup)
        assert far == pytest.approx(1, abs=1e-6)
        assert near < 0.999

    def test_a_picture_without_a_face_has_no_value(self, publish, setup):
        publish(identity, "DETECTOR", detector([]))
        face, _ = pair()
        assert identity.score([face], [face], setup) == [None]

    def test_the_largest_face_is_found_at_the_scale_of_the_picture(self, publish):
        small = [(x / 2 + 150, y / 2 + 150) for x, y in FACE]
        publish(identity, "DETECTOR", detector([small, FACE]))
        network = identity.cv2.FaceDetectorYN.create(
            *identity._onnx(identity.DETECTOR), (identity.CANVAS, identity.CANVAS)
        )
        found = identity.find(network, np.zeros((640, 500, 3), np.uint8))
        assert found[4:14].reshape(5, 2) == pytest.approx(2 * np.array(FACE), abs=1e-3)
        found = identity.find(network, np.zeros((128, 128, 3), np.uint8))
        assert found[4:14].reshape(5, 2) == pytest.approx(np.array(FACE), abs=1e-3)


class TestClip:
    def test_it_is_100_times_the_cosine_of_the_normalised_picture_and_the_prompt(self, setup):
        pictures = [astronaut()[top : top + 32, 150:182] for top in range(0, 320, 64)]
        network = CLIPModel.from_pretrained(setup.clip).eval()
        tokens = CLIPTokenizer.from_pretrained(setup.clip)("a b", return_tensors="pt")
        pixels = (np.stack(pictures) / 255 - OPENAI_CLIP_MEAN) / OPENAI_CLIP_STD
        pixels = torch.tensor(pixels, dtype=torch.float32).permute(0, 3, 1, 2)
        with torch.inference_mode():
            both = network(**tokens, pixel_values=pixels)
        cosines = torch.cosine_similarity(both.image_embeds, both.text_embeds)
        expected = [max(0, 100 * cosine) for cosine in cosines.tolist()]
        assert max(expected) > 1
        assert clip.score(["a b"] * 5, pictures, setup) == pytest.approx(expected, rel=1e-4)


class TestDino:
    def test_it_sees_the_picture_normalised_as_in_its_training(self, setup):
        picture = astronaut()[:224, 100:324]
        network = Dinov2Model.from_pretrained(setup.dino).eval()
        pixels = (picture / 255 - IMAGENET_DEFAULT_MEAN) / IMAGENET_DEFAULT_STD
        pixels = torch.tensor(pixels, dtype=torch.float32).permute(2, 0, 1)[None]
        with torch.inference_mode():
            expected = network(pixels).pooler_output[0].tolist()
        assert dino.features([picture], setup)[0] == pytest.approx(expected, rel=1e-4, abs=1e-5)


class TestCheckpoints:
    @pytest.fixture
    def weights(self, tmp_path, monkeypatch):
        """A file that is published beside the folder of downloads, which is empty."""
        monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
        source = tmp_path / "published.pth"
        source.write_bytes(b"weights")
        digest = hashlib.sha256(b"weights").hexdigest()
        return checkpoints.Checkpoint("mine.pth", source.as_uri(), digest), source

    def test_a_missing_file_is_fetched_once(self, weights):
        checkpoint, source = weights
        assert checkpoints.read(checkpoint) == b"weights"
        source.unlink()
        assert checkpoints.read(checkpoint) == b"weights"

    def test_what_cannot_be_fetched_is_one_line_that_says_how(self, weights, tmp_path):
        checkpoint, source = weights
        source.unlink()
        target = tmp_path / "torch/hub/checkpoints/mine.pth"
        with pytest.raises(Unusable, match="curl -fL --create-dirs -o") as caught:
            checkpoints.read(checkpoint)
        assert f"-o {target} {checkpoint.url}`" in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_another_file_in_its_place_is_refused(self, weights, tmp_path):
        checkpoint, source = weights
        source.write_bytes(b"poison")
        with pytest.raises(Unusable, match="could not be fetched"):
            checkpoints.read(checkpoint)
        target = tmp_path / "torch/hub/checkpoints/mine.pth"
        assert not target.exists()
        target.write_bytes(b"poison")
        with pytest.raises(Unusable, match="not the published file"):
            checkpoints.read(checkpoint)

    def test_no_code_in_a_file_is_run(self, publish, tmp_path):
        class Trap:
            def __reduce__(self):
                return open, (str(tmp_path / "sprung"), "w")

        buffer = io.BytesIO()
        torch.save({"features.0.weight": Trap()}, buffer)
        publish(perceptual, "ALEXNET", buffer.getvalue())
        with pytest.raises(pickle.UnpicklingError):
            checkpoints.tensors(perceptual.ALEXNET)
        assert not (tmp_path / "sprung").exists()


class TestCoherence:
    """RC-S against its definition, on features made by hand: the network only supplies them."""

    def hole(self, size: int = 32) -> np.ndarray:
        hole = np.zeros((size, size), bool)
        hole[8:24, 10:22] = True
        return hole

    def test_a_hole_with_the_features_around_it_scores_one(self):
        assert coherence.coherence(np.full((32, 32, 5), 0.3), self.hole()) == pytest.approx(1)

    def test_a_hole_of_one_foreign_feature_is_the_closed_form(self):
        """Both sets are single points √2 apart: their distance is 1000·(2 − 2·exp(−2 / 2·10²))."""
        features = np.zeros((32, 32, 2))
        features[..., 0] = 7  # length does not matter
        features[self.hole()] = (0, 2)
        expected = np.exp(-1000 * (2 - 2 * np.exp(-0.01)) / 3)
        assert coherence.coherence(features, self.hole()) == pytest.approx(expected, rel=1e-9)

    def test_it_equals_the_definition_written_out(self):
        rng = np.random.default_rng(0)
        features, hole = rng.normal(size=(32, 32, 6)), rng.random((32, 32)) < 0.3
        hole[4:18, 4:18] = True  # some windows hold nothing else
        features[hole] += 0.5
        unit = features / np.linalg.norm(features, axis=2, keepdims=True)
        distances = []
        for top in range(0, 25, 4):  # windows of 16 and strides of 8 on a grid of 64
            for left in range(0, 25, 4):
                cells = [(y, x) for y in range(top, top + 8) for x in range(left, left + 8)]
                inside = [unit[cell] for cell in cells if hole[cell]]
                outside = [unit[cell] for cell in cells if not hole[cell]]
                if len(inside) > 5 and (len(outside) > 5 or not outside):
                    others = outside or list(unit[~hole])
                    pairs = ((inside, inside), (others, others), (inside, others))
                    alike, others_alike, between = (
                        np.mean([np.exp(-((x - y) ** 2).sum() / 200) for x in one for y in two])
                        for one, two in pairs
                    )
                    distances.append(1000 * (alike + others_alike - 2 * between))
        assert hole[4:12, 4:12].all()
        expected = np.exp(-np.mean(distances) / 3)
        assert coherence.coherence(features, hole) == pytest.approx(expected, rel=1e-9)

    def test_without_enough_on_either_side_there_is_no_value(self):
        features, hole = np.ones((32, 32, 3)), np.zeros((32, 32), bool)
        hole[3, 3:7] = True
        assert coherence.coherence(features, hole) is None
        assert coherence.coherence(features, np.ones((32, 32), bool)) is None

    def test_each_part_of_a_hole_has_a_square_with_its_surroundings(self):
        mask = np.zeros((200, 300), bool)
        mask[60:90, 100:160] = True  # 60 wide: 20 more on each side
        mask[180:200, 280:300] = True  # in the corner: no room on two sides
        mask[5:8, 5:8] = True  # too small to count beside the others
        assert coherence.squares(mask) == [
            (slice(25, 125), slice(80, 180)),
            (slice(180, 200), slice(280, 300)),
        ]
        tiny = np.zeros((200, 300), bool)
        tiny[5:8, 5:8] = True
        assert len(coherence.squares(tiny)) == 1


def made_by(method: str, originals: list[Path], files: list[Path]) -> list[learned.Result]:
    mask = originals[0].with_name("mask.png")
    return [
        learned.Result(method, original, "a b c", mask, file)
        for original, file in zip(originals, files, strict=True)
    ]


class TestLearned:
    """The way to each figure; random weights say nothing about the figures themselves."""

    @pytest.fixture
    def pictures(self, tmp_path):
        originals, results = [], []
        rng = np.random.default_rng(3)
        hole = np.zeros((128, 128), bool)
        hole[40:90, 30:80] = True
        for number in range(6):
            image = astronaut()[10 * number :][:128, 150:278]
            noise = rng.normal(0, 60, image.shape)
            for name, pixels in (("real", image), ("made", image + noise)):
                pixels = pixels.round().clip(0, 255).astype(np.uint8)
                (tmp_path / f"{name}{number}.png").write_bytes(images.encode(pixels))
            (tmp_path / "mask.png").write_bytes(images.encode(hole))
            originals.append(tmp_path / f"real{number}.png")
            results.append(tmp_path / f"made{number}.png")
        return originals, results

    def test_every_measure_is_allowed_by_its_table(self):
        metrics.check([*metrics.OF_A_RESULT, *metrics.OF_ALL], "original")

    @pytest.mark.parametrize(
        ("named", "reference", "message"),
        [
            (["lpips", "fit"], "original", r"= \['lpips', 'fit'\]: allowed: a list of \(lpips, id"),
            (["fid", "lpips"], "none", r"reference: none\) there is no lpips; remove it"),
            (["identity"], "none", r"reference: none\) there is no identity; remove it"),
        ],
    )
    def test_what_cannot_be_measured_is_refused_in_one_line(self, named, reference, message):
        with pytest.raises(BadSetting, match=message) as caught:
            metrics.check(named, reference)
        assert "\n" not in str(caught.value)

    def test_every_measure_of_a_result_reaches_its_column(self, pictures, publish, setup):
        originals, results = pictures
        both = made_by("model", originals, results) + made_by("baseline", originals, originals)
        columns = dict(learned.score(["lpips", "fid", "clip", "identity", "rc_s"], both, setup))
        own = ("lpips", "clip", "identity", "rc_s")
        assert columns.keys() == {f"learned_{name}" for name in own}
        assert all(0 < value <= 1 for value in columns["learned_rc_s"])
        assert {len(values) for values in columns.values()} == {12}
        assert columns["learned_lpips"][6:] == [0] * 6
        assert min(columns["learned_lpips"][:6]) > 0
        assert columns["learned_identity"][6:] == pytest.approx([1] * 6, abs=1e-6)

    def test_every_measure_of_all_results_reaches_its_key(self, pictures, publish, setup):
        originals, results = pictures
        both = made_by("model", originals, results) + made_by("baseline", originals, originals)
        figures = dict(learned.compare([*metrics.OF_ALL, "lpips"], both, setup, 0))
        keys = {f"learned_{name}" for name in ("fid", "kid", "p_ids", "u_ids", "fd", "kd")}
        counts = {("model", "learned_count"), ("model", "learned_photographs")}
        every = {(method, key) for method in ("model", "baseline") for key in keys}
        assert figures.keys() == counts | every
        assert figures["baseline", "learned_fid"] == pytest.approx(0, abs=1e-3)
        assert figures["model", "learned_fid"] > 0.01 and figures["model", "learned_fd"] > 0

    def test_each_result_is_held_against_its_own_prompt(self, pictures, publish, setup):
        """A longer prompt beside a shorter one changes nothing for either."""
        results = made_by("model", *pictures)
        mixed = [replace(one, prompt="c" if k % 2 else one.prompt) for k, one in enumerate(results)]
        short = [replace(one, prompt="c") for one in results]
        given = {
            name: dict(learned.score(["clip"], own, setup))["learned_clip"]
            for name, own in (("long", results), ("short", short), ("mixed", mixed))
        }
        assert given["long"] != given["short"]
        for k, value in enumerate(given["mixed"]):
            assert value == pytest.approx(given["short" if k % 2 else "long"][k], rel=1e-5)

    def test_pictures_of_several_sizes_are_measured_in_one_go(self, pictures, publish, setup):
        results = made_by("model", *pictures)
        for path in (results[1].original, results[1].file):
            path.write_bytes(images.encode(images.load(path)[:96, :80]))
        values = dict(learned.score(["lpips"], results, setup))["learned_lpips"]
        alone = dict(learned.score(["lpips"], results[1:2], setup))["learned_lpips"]
        assert len(values) == 6 and values[1] == pytest.approx(alone[0], rel=1e-4)

    def test_batches_change_no_figure(self, pictures, publish, setup):
        originals, results = pictures
        one, many = (
            dict(learned.score(["lpips", "clip"], made_by("model", originals, results), sized))
            for sized in (replace(setup, batch=1), setup)
        )
        for name, values in one.items():
            assert values == pytest.approx(many[name], rel=1e-4)

    def test_each_result_is_paired_with_its_own_photograph(self, pictures, publish, setup):
        """Originals as results, in another order: all that is compared cancels exactly."""
        originals, results = pictures
        turned = [*originals[::-1], *originals]
        own, others = (
            dict(learned.compare(["kd"], made_by("model", turned, files), setup, 0))
            for files in (turned, [*originals, *originals])
        )
        assert own["model", "learned_kd"] == pytest.approx(0, abs=1e-9)
        assert abs(others["model", "learned_kd"]) > 1e-6
        rng = np.random.default_rng(0)
        real, made, paired = rng.normal(size=(3, 2)), rng.normal(size=(9, 2)), np.arange(9) // 3
        expected = discrimination(real[paired], made)
        assert tuple(learned._compare("ids", real, made, paired, 0).values()) == expected

    def test_a_photograph_with_several_holes_is_one_photograph_of_the_real_set(
        self, pictures, setup
    ):
        originals, _ = pictures
        again = [*originals, *originals[:3]]
        figures = dict(learned.compare(["fd"], made_by("model", again, again), setup, 0))
        assert figures["model", "learned_count"] == 9
        assert figures["model", "learned_photographs"] == 6
        assert figures["model", "learned_fd"] > 0

    @pytest.mark.parametrize("count", [1, 2])
    def test_a_method_with_results_of_one_photograph_is_no_set_and_loses_no_figure_of_another(
        self, pictures, publish, setup, count
    ):
        originals, results = pictures
        few = made_by("model", originals[:1] * count, results[:count])
        few += made_by("baseline", originals, results)
        figures = dict(learned.compare(metrics.OF_ALL, few, setup, 0))
        assert {key for method, key in figures if method == "model"} == {
            "learned_count",
            "learned_photographs",
        }
        assert figures["model", "learned_count"] == count
        assert len(figures) == 2 + 6 and np.isfinite(list(figures.values())).all()

    def test_one_photograph_is_no_set(self, pictures, setup):
        originals, results = pictures
        one = made_by("model", originals[:1], results[:1])
        with pytest.raises(Unusable, match="fid, kd compare sets of pictures") as told:
            dict(learned.compare(["fid", "kd"], one, setup, 0))
        assert str(told.value).endswith(
            "there is only one photograph; fetch more photographs, or take fid, kd out of "
            "evaluate.learned"
        )

    def test_missing_weights_are_one_line_that_says_how_to_fetch_them(
        self, pictures, setup, monkeypatch
    ):
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        originals, results = pictures
        nowhere = replace(setup, dino="nobody/nothing")
        with pytest.raises(Unusable, match="hf download nobody/nothing") as caught:
            dict(learned.compare(["fd"], made_by("model", originals, results), nowhere, 0))
        assert "\n" not in str(caught.value)
