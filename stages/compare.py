"""Rank runs of different commits or experiments that filled the same holes.

    python stages/compare.py REV [REV …]

A REV is what DVC takes for one: a commit, branch, tag, the name of an experiment, or `workspace`;
a single one is compared with the workspace. The scores come from DVC's cache or remote, nothing
is computed anew and no file of the pipeline is touched. Prints how the models of these runs stand,
best first, and writes metrics/comparison.md and .tex with all metrics. Runs are named after what
differs in their settings, paired hole by hole, and refused unless images and masks are the same. A
CLIP score is of its prompt, and left out where prompts differ.
"""

import io
import textwrap
from dataclasses import dataclass
from pathlib import Path

import yaml

from wizard import names, params, records
from wizard.console import BadSetting, plain, stage
from wizard.metrics import ranking, summary, tables
from wizard.report import scores

METRICS = Path("metrics")
WORKSPACE = "workspace"
WIDTH = 100
# The blocks that can make a result or its number another one.
OF_A_RESULT = ("fetch", "mask", "inpaint", "evaluate")
# What makes the same results another number; a hole is measured as it was grown.
MEASURED_BY = (
    *("evaluate.reference", "evaluate.ring_px", "evaluate.dino", "evaluate.clip"),
    "inpaint.grow",
)
# What a CLIP score is of.
PROMPTED_BY = ("inpaint.prompt", "fetch.caption_column")


@dataclass(frozen=True)
class Run:
    """What a revision holds: scored rows with their settings by dotted key, its holes' hashes."""

    revision: str
    settings: dict[str, object]
    holes: dict[str, str]
    rows: list[dict]

    @property
    def method(self) -> str:
        """Its name among those that are ranked; a mere ``raw`` would be taken for another run."""
        return f"revision {self.revision}"


def main(params_path: Path, revisions: list[str]) -> None:
    settings = params.load(params_path).evaluate
    if len(revisions) == 1:
        revisions = [*revisions, WORKSPACE]
    runs = [read(revision) for revision in dict.fromkeys(revisions)]
    check(runs)
    differ = differing(runs)
    unlike = {"learned_clip"} if set(PROMPTED_BY) & set(differ) else set()
    rows = [
        {name: value for name, value in row.items() if name not in unlike} | {"method": run.method}
        for run in runs
        for row in run.rows
        if row["method"] == names.MODEL and row["status"] == records.OK
    ]
    seed = records.seed(settings.seed, "evaluate", "")
    ranked = ranking.rank(rows, {}, settings.hole_bins, settings.bootstrap, seed)
    called = call(runs, differ)
    records.write_atomic(METRICS / "comparison.md", tables.to_markdown(ranked, called).encode())
    records.write_atomic(METRICS / "comparison.tex", tables.to_latex(ranked, called).encode())
    print(textwrap.fill(tables.note(ranked), WIDTH))
    shown = [name for name in summary.HOLE if name in ranked["all"]["metrics"]]
    for metric in shown or list(ranked["all"]["metrics"])[:1]:
        how = names.METRICS[metric]
        print(f"\n{how.title}: {how.direction} is better")
        print(tables.text(tables.HEAD, shortened(ranked, metric, called)))
    print(f"\nAll metrics: {METRICS / 'comparison.md'} and .tex")


def read(revision: str) -> Run:
    """What DVC and git hold of a revision.

    Raises BadSetting in one line when there is no such revision, or no scores of it.
    """
    from dvc.api import DVCFileSystem  # slow
    from dvc.exceptions import DvcException

    try:
        files = DVCFileSystem(rev=None if revision == WORKSPACE else revision)
        stages = yaml.safe_load(files.read_text("dvc.lock"))["stages"]
        # Not params.yaml, which may have been changed since.
        settings = stages["evaluate"]["params"]["params.yaml"]
        table = files.read_text("metrics/scores.csv")
    except (DvcException, OSError, KeyError) as error:
        raise BadSetting(
            f"{revision}: no scores of it: {error}; is it a revision in which `dvc repro` ran, and "
            "are its results here (`dvc pull`)?"
        ) from None
    outs = (out for part in ("fetch", "mask") for out in stages[part]["outs"])
    return Run(
        revision,
        flat(settings),
        {out["path"]: out["md5"] for out in outs if out["path"] in ("data/images", "data/masks")},
        scores.parse(io.StringIO(table), f"{revision}: scores.csv"),
    )


def flat(settings: dict) -> dict[str, object]:
    return {
        f"{block}.{key}": value for block in OF_A_RESULT for key, value in settings[block].items()
    }


def check(runs: list[Run]) -> None:
    """Raise BadSetting unless all runs filled the same holes and measured them alike."""
    first = runs[0]
    for run in runs[1:]:
        for path, digest in run.holes.items():
            if digest != first.holes[path]:
                raise BadSetting(
                    f"{run.revision}: {path} differs from that of {first.revision}, and only "
                    "results of the same holes can be compared: use one fetch and mask setting"
                )
        for key in MEASURED_BY:
            value, other = (one.settings.get(key) for one in (run, first))
            if value != other:
                raise BadSetting(
                    f"{run.revision}: {key} = {value}, but {other} in {first.revision}: measured "
                    "differently; give both the same value"
                )


def differing(runs: list[Run]) -> list[str]:
    """The settings that are not the same in all runs."""
    keys = dict.fromkeys(key for run in runs for key in run.settings)
    return [key for key in keys if len({repr(run.settings.get(key)) for run in runs}) > 1]


def call(runs: list[Run], differ: list[str]) -> dict[str, str]:
    """What to print for each run's method: the settings in which it differs from another, its
    revision where there are none.
    """
    short = [key.partition(".")[2] for key in differ]
    shown = [one if short.count(one) == 1 else key for key, one in zip(differ, short, strict=True)]
    called: dict[str, str] = {}
    for run in runs:
        values = (run.settings.get(key) for key in differ)
        told = [f"{name}={value}" for name, value in zip(shown, values, strict=True)]
        name = plain(", ".join(told)) or run.revision
        called[run.method] = f"{name} ({run.revision})" if name in called.values() else name
    return called


def shortened(ranked: dict, metric: str, called: dict[str, str]) -> list[tuple[str, ...]]:
    """The standings by one metric, with names cut so that the table fits a terminal."""
    cells = tables.standings(ranked, metric, called)
    lines = tables.text(tables.HEAD, cells).splitlines()
    longest = max(len(row[1]) for row in cells)
    room = max(12, longest - max(0, max(map(len, lines)) - WIDTH))
    return [
        (row[0], row[1] if len(row[1]) <= room else f"{row[1][: room - 1]}…", *row[2:])
        for row in cells
    ]


if __name__ == "__main__":
    options = {"nargs": "+", "metavar": "REV", "help": "commit, branch, experiment or workspace"}
    stage(main, __doc__, {"revisions": options})
