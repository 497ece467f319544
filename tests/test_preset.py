"""Published protocols: valid settings, written with comments kept; our numbers beside theirs."""

import subprocess
import sys
from pathlib import Path

import pytest

from wizard import masks, params
from wizard.metrics import protocols

ROOT = Path(__file__).parents[1]
DEFAULT = (ROOT / "params.yaml").read_text(encoding="utf-8")


def preset(folder, *arguments, text=DEFAULT):
    (folder / "params.yaml").write_text(text)
    command = [sys.executable, ROOT / "stages/preset.py", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def dumped(path):
    return params.load(path).model_dump()


@pytest.mark.parametrize("name", protocols.load())
def test_a_protocol_is_written_and_nothing_else_changes(tmp_path, name, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "stages")
    import preset as script

    protocol, path = protocols.load()[name], tmp_path / "params.yaml"
    path.write_text(DEFAULT)
    before = dumped(path)
    script.apply(path, protocol.settings)
    after = dumped(path)
    assert not protocols.deviations(protocol, after)
    for block, values in before.items():
        kept = values.keys() - protocol.settings.get(block, {}).keys()
        assert {key: after[block][key] for key in kept} == {key: values[key] for key in kept}
    mask = after["mask"]
    masks.check(mask["shape"], mask["variant"], mask["ratio"])
    assert [line.partition("#")[2] for line in path.read_text().splitlines()] == [
        line.partition("#")[2] for line in DEFAULT.splitlines()
    ]


def test_preset_lists_what_there_is_and_what_cannot_be_had(tmp_path):
    code, said, _ = preset(tmp_path, "--list")
    assert code == 0 and all(f"{name}\n" in said for name in protocols.load())
    assert "published, SH-GAN: fid 4.35, lpips 0.254, psnr 16.37, ssim 0.591" in said
    assert "not the same: MAT's split of FFHQ was never published" in said
    assert max(map(len, said.splitlines())) <= 100
    assert (tmp_path / "params.yaml").read_text() == DEFAULT


@pytest.mark.parametrize("name", protocols.load())
def test_published_numbers_are_known_measures_with_their_source(name):
    protocol = protocols.load()[name]
    reported = {metric for row in protocol.published.values() for metric in row}
    assert reported <= protocols.MEASURES.keys()
    assert protocol.numbers.startswith("not verified") == (not protocol.published)


def test_an_unknown_protocol_is_one_line_and_touches_nothing(tmp_path):
    code, _, error = preset(tmp_path, "comodgam")
    assert code == 2 and error.count("\n") == 1 and "allowed: comodgan-ffhq256" in error
    assert (tmp_path / "params.yaml").read_text() == DEFAULT


def test_a_file_that_is_wrong_already_is_told_so_and_not_touched(tmp_path):
    wrong = DEFAULT.replace("ratio: 0.25", "ratio: 2")
    code, said, error = preset(tmp_path, "comodgan-ffhq256", text=wrong)
    assert code == 2 and not said and error.count("\n") == 1 and "mask.ratio = 2" in error
    assert (tmp_path / "params.yaml").read_text() == wrong


def test_our_numbers_stand_beside_the_published_ones(tmp_path):
    code, said, _ = preset(tmp_path, "comodgan-ffhq512")
    assert code == 0 and "FFHQ 0 to 9999" in said
    settings = dumped(tmp_path / "params.yaml")
    settings["fetch"] = {**settings["fetch"], "count": 100}
    quality = {"psnr": {"mean": 17.5}, "ssim": {"mean": 0.6}}
    found = protocols.beside(quality, settings)
    assert list(found) == ["comodgan-ffhq512"]
    psnr = found["comodgan-ffhq512"]["numbers"]["psnr"]
    assert psnr["ours"] == 17.5 and psnr["published"] == {"CoModGAN": 18.46, "SH-GAN": 18.43}
    assert found["comodgan-ffhq512"]["settings_that_differ"] == {"fetch.count": "100"}
    assert "ours" not in found["comodgan-ffhq512"]["numbers"]["fid"]
    source = "https://alice:5ecret@host/photos.zip?X-Amz-Signature=5ecret"
    signed = protocols.beside(quality, settings | {"fetch": settings["fetch"] | {"source": source}})
    assert signed["comodgan-ffhq512"]["settings_that_differ"] == {
        "fetch.count": "100",
        "fetch.source": "https://host/photos.zip",
    }
    grown = settings | {"inpaint": settings["inpaint"] | {"grow": 2}}
    assert protocols.beside(quality, grown) == {}
    settings["mask"] = {**settings["mask"], "shape": "box"}
    assert protocols.beside(quality, settings) == {}
