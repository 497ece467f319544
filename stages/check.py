"""Check the settings and your own files before anything is deleted.

    dvc repro check          or          python stages/check.py

DVC deletes the outputs of a stage before that stage can refuse a setting. This one runs before all
others whenever a setting or a file under data/own/ changed, so that a mistake costs nothing. Only
fetch opens a source, so what is wrong with one outside data/own/ only fetch can tell.
"""

from pathlib import Path

from wizard import masks, metrics, models, params, records, sources
from wizard.console import BadSetting, stage
from wizard.masks import files

OWN = Path("data/own")


def main(params_path: Path) -> None:
    settings = params.load(params_path)
    sources.check(sources.Request(**settings.fetch.model_dump(exclude={"fit"})))
    expect_files("fetch.source", settings.fetch.source)
    models.check({name: one.backend for name, one in settings.inpaint.methods().items()})
    masks.check(settings.mask.shape, settings.mask.variant, settings.mask.ratio)
    metrics.check(settings.evaluate.learned, settings.evaluate.reference)
    if settings.mask.shape == "files":
        expect_files("mask.folder", settings.mask.folder)
        files.Library(Path(settings.mask.folder), [])
    # The same bytes every time: what follows waits for this file, but never runs because of it.
    records.write_atomic("data/checked", b"settings and own files\n")


def expect_files(key: str, place: str) -> None:
    """Raise BadSetting when the setting names a place under data/own/ that holds no file."""
    path = Path(place)
    if path.is_absolute() or not path.is_relative_to(OWN) or set(place) & set("*?["):
        return
    found = [path] if path.is_file() else path.rglob("[!.]*.*")
    if not any(one.is_file() for one in found):
        raise BadSetting(
            f"{key} = {place!r}: no files there; put yours there, or fetch them with dvc pull "
            f"if they were shared with dvc add {place} (other clones, queued experiments and "
            "--temp see only what git or DVC tracks)"
        )


if __name__ == "__main__":
    stage(main, __doc__)
