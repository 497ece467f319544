"""How a stage talks to a person: exit codes, one-line errors, progress."""

import argparse
import os
import re
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from wizard.records import Unusable

T = TypeVar("T")


class BadSetting(ValueError):
    """A setting that cannot work: one line naming the key, the value and what is allowed."""


class TooManyFailures(RuntimeError):
    """More items failed than ``runtime.max_failures`` allows."""


def stage(main: Callable[..., None], doc: str, arguments: Mapping[str, dict] | None = None) -> None:
    """Run a stage's or command's ``main(params_path)`` from the command line.

    ``arguments`` are further ones, with what argparse should know of each; ``main`` gets them by
    name.

    Exit codes: 0 done; 2 a bad setting or input, told in one line before any output is touched;
    1 a failure on the way, one line too, unless it is a bug, which shows its traceback; 130 or 143
    after Ctrl-C or SIGTERM. An interrupted stage never exits 0, because DVC would record half an
    output as a success.
    """
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--params", type=Path, default=Path("params.yaml"), help="settings file")
    for name, how in (arguments or {}).items():
        parser.add_argument(name, **how)
    given = vars(parser.parse_args())
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    # A shell starts background jobs with this signal ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        main(given.pop("params"), **given)
    except BadSetting as error:
        sys.exit(_complain(error, 2))
    except (Unusable, OSError, TooManyFailures) as error:
        if os.environ.get("WIZARD_TRACEBACK"):
            raise
        sys.exit(_complain(error, 1))
    except MemoryError:
        sys.exit(_complain("out of memory; lower runtime.workers. What was finished is kept", 1))
    except KeyboardInterrupt:
        sys.exit(_complain("interrupted; what was finished is kept, run again to resume", 130))
    except Exception:
        for line in traceback.format_exc().splitlines():  # it may hold names and URLs of others
            print(plain(line), file=sys.stderr)
        sys.exit(1)


def _complain(error: object, code: int) -> int:
    script = Path(sys.argv[0]).name
    print(plain(f"{script}: {' '.join(str(error).split())}"), file=sys.stderr)
    return code


def plain(line: str) -> str:
    """Text that cannot steer a terminal: what does not print (controls, bidi marks) as escapes.

    File names, keys and notes come from other people; an escape sequence in one could rewrite
    what stands on the screen. Secrets in URLs are left out.
    """
    line = without_secrets(line)
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)


def without_secrets(text: str) -> str:
    """A text whose URLs have lost user, password, query and fragment, where signatures stand."""
    # A quote may belong to a URL, or stand around it: then no more of a URL follows.
    quote = r"['\"](?=[\w/@?#&=%.+~-])"
    text = re.sub(rf"(\w://)(?:[^/\s?#'\"]|{quote})*@", r"\1", text)
    return re.sub(rf"(\w://(?:[^\s?#'\"]|{quote})*)[?#](?:[^\s'\"]|{quote})*", r"\1", text)


def bare(source: str) -> str:
    """A whole source without such secrets: one URL, or a chain of them; a path as it is.

    Where it is known to end, a URL may hold spaces and quotes, which end one in a text.
    """
    return "::".join(_bare(url) for url in re.split(r"::(?=\w+://)", source))


def _bare(url: str) -> str:
    scheme, mark, rest = url.partition("://")
    if not mark:
        return url
    host, slash, path = re.split(r"[?#]", rest)[0].partition("/")
    return scheme + mark + host.rpartition("@")[2] + slash + path


def say(line: str) -> None:
    """A line on stderr that does not break a progress bar."""
    line = plain(line)
    if "tqdm" in sys.modules:
        sys.modules["tqdm"].tqdm.write(line, file=sys.stderr)
    else:
        print(line, file=sys.stderr)


def report_failures(
    rows: Iterable[dict], max_failures: int, where: str | None = "the manifest"
) -> None:
    """Say which items failed; raise TooManyFailures when they are more than allowed.

    ``where`` is what has all reasons; where nothing has, all are said.
    """
    failed = [row for row in rows if row["status"] == "failed"]
    _list("failed", failed, "error", where)
    if len(failed) > max_failures:
        raise TooManyFailures(
            f"{len(failed)} failed, runtime.max_failures allows {max_failures}; "
            "remove them from the source or raise the limit"
        )


def report_notes(rows: Iterable[dict], where: str | None = "the manifest") -> None:
    """Say what a person should know of items that were used all the same; see report_failures."""
    _list("note", [row for row in rows if "note" in row], "note", where)


def _list(kind: str, rows: list[dict], key: str, where: str | None) -> None:
    said = rows[:20] if where else rows
    for row in said:
        say(f"{kind}: {row['id']}: {row[key]}")
    if len(rows) > len(said):
        say(f"… and {len(rows) - len(said)} more, all in {where}")


def progress(items: Iterable[T], total: int | None, desc: str, unit: str = "image") -> Iterator[T]:
    """Pass items through while showing done/total, average time per item and time remaining.

    On a terminal a bar; elsewhere (CI logs) a plain line at most every ten seconds and one at
    the end.
    """
    if sys.stderr.isatty():
        from tqdm import tqdm

        layout = "{desc}: {percentage:3.0f}%|{bar}| {n}/{total} [{elapsed}<{remaining}{postfix}]"
        with tqdm(total=total, desc=desc, unit=unit, bar_format=layout) as bar:
            start = time.monotonic()
            for count, item in enumerate(items, 1):
                yield item
                each = (time.monotonic() - start) / count
                bar.set_postfix_str(f"{each:.2f} s/{unit}", refresh=False)
                bar.update()
        return
    yield from _progress_lines(items, total, desc, unit)


def _progress_lines(items: Iterable[T], total: int | None, desc: str, unit: str) -> Iterator[T]:
    start = told = time.monotonic()
    count = 0
    for count, item in enumerate(items, 1):
        yield item
        now = time.monotonic()
        if now - told >= 10 and count != total:
            told, each = now, (now - start) / count
            left = f", {each * (total - count):.0f} s left" if total else ""
            say(f"{desc}: {count}/{total or '?'} {unit}s, {each:.2f} s/{unit}{left}")
    if count:
        took = time.monotonic() - start
        some = f"{count} {unit}" + ("s" if count > 1 else "")
        say(f"{desc}: {some} in {took:.1f} s, {took / count:.3f} s/{unit}")
