"""Write a published protocol into params.yaml, or list what there is.

    python stages/preset.py --list
    python stages/preset.py comodgan-ffhq256

Comments, order and every setting that the protocol leaves open are kept; `dvc params diff` shows
what changed. The protocols are in stages/wizard/metrics/protocols.yaml.
"""

import io
import textwrap
from pathlib import Path

from wizard import params, records
from wizard.console import BadSetting, plain, stage
from wizard.metrics import protocols

WIDTH = 100


def main(params_path: Path, name: str | None, list_all: bool) -> None:
    known = protocols.load()
    if list_all:
        for one, protocol in known.items():
            print("\n".join(describe(one, protocol)), end="\n\n")
        return
    if name not in known:
        wrong = "no protocol named" if name is None else f"no protocol {plain(name)!r}"
        raise BadSetting(f"{wrong}; allowed: {', '.join(known)} (or --list)")
    params.load(params_path)  # a file that is wrong already is told so, and not touched
    apply(params_path, known[name].settings)
    print("\n".join(describe(name, known[name])))


def apply(path: Path, settings: dict[str, dict]) -> None:
    """Set these settings in the file, by block and key, keeping its comments."""
    from ruamel.yaml import YAML

    editor = YAML()
    editor.preserve_quotes, editor.width = True, 1000
    editor.representer.add_representer(
        type(None), lambda drawn, _: drawn.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    content = editor.load(path.read_text(encoding="utf-8"))
    for block, values in settings.items():
        for key, value in values.items():
            if isinstance(value, list) and isinstance(content[block][key], list):
                content[block][key][:] = value  # in place, or the comment beside it would move
                content[block][key].fa.set_flow_style()
            else:
                content[block][key] = value
    text = io.StringIO()
    editor.dump(content, text)
    records.write_atomic(path, text.getvalue().encode())


def describe(name: str, protocol: protocols.Protocol) -> list[str]:
    """What a person should know of a protocol, in lines."""
    lines = [name, f"  source: {protocol.source}", f"  images: {protocol.images}"]
    lines.append(f"  masks: {protocol.masks}")
    measured = ["ssim", "psnr", *protocol.settings["evaluate"].get("learned", [])]
    lines.append(f"  metrics: {', '.join(measured)}")
    lines.append(f"  numbers: {protocol.numbers}")
    for method, numbers in protocol.published.items():
        figures = ", ".join(f"{metric} {value}" for metric, value in numbers.items())
        lines.append(f"  published, {method}: {figures}")
    lines += [f"  not the same: {reason}" for reason in protocol.differs]
    return [textwrap.fill(line, WIDTH, subsequent_indent="    ") for line in lines]


if __name__ == "__main__":
    stage(
        main,
        __doc__,
        {
            "name": {"nargs": "?", "help": "protocol to write"},
            "--list": {"action": "store_true", "dest": "list_all", "help": "describe them all"},
        },
    )
