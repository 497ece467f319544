"""The page that draws holes, in a real browser: from a photograph to a removed object."""

import base64
import functools
import hashlib
import io
import re
import shutil
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from clones import ROOT, setting
from pages import violations, visit
from PIL import Image
from playwright.sync_api import expect

import fetch
import inpaint
import mask

pytestmark = pytest.mark.system

PAGE = ROOT / "data/own/draw.html"
HOSTILE = "<img src=x onerror=alert(1)>.png"
WIDE, TALL = 200, 160  # of the photograph, upright
BALL = (60, 40, 110, 90)  # left, top, right, bottom


@pytest.fixture
def photographs(tmp_path):
    """A red ball before a grey ramp: as PNG, and as a JPEG that EXIF turns upright."""
    columns, rows = np.meshgrid(np.arange(WIDE), np.arange(TALL))
    upright = np.repeat((60 + columns // 2)[..., None], 3, axis=2).astype(np.uint8)
    ball = (columns - 85) ** 2 + (rows - 65) ** 2 < 22**2
    upright[ball] = (230, 20, 20)
    folder = tmp_path / "data/own/photos"
    folder.mkdir(parents=True)
    Image.fromarray(upright).save(folder / HOSTILE)
    exif = Image.Exif()
    exif[0x0112] = 6  # stored lying on its left side
    turned = Image.fromarray(upright).transpose(Image.Transpose.ROTATE_90)
    turned.save(folder / "ball.jpg", quality=95, exif=exif)
    return folder


@pytest.fixture
def page(browser):
    with visit(browser, PAGE.as_uri()) as opened:
        yield opened


@pytest.fixture
def served(browser):
    """The page from a server: the browser's private folder stands for one that a person chooses."""
    handler = functools.partial(Quiet, directory=PAGE.parent)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with visit(browser, f"http://127.0.0.1:{server.server_port}/draw.html") as opened:
            opened.context.add_init_script(
                "window.showDirectoryPicker = () => navigator.storage.getDirectory()"
            )
            opened.reload()
            yield opened
        server.shutdown()


def open_photographs(page, *files):
    page.set_input_files("#open", files)
    page.locator("#in:not([disabled])").wait_for()


def at(page, x, y):
    """A point of the photograph on the screen: it is fitted into the middle of the stage."""
    box = page.locator("#stage").bounding_box()
    scale = 0.96 * min(box["width"] / WIDE, box["height"] / TALL)
    return (
        box["x"] + box["width"] / 2 + (x - WIDE / 2) * scale,
        box["y"] + box["height"] / 2 + (y - TALL / 2) * scale,
    )


def drag(page, *points, button="left"):
    page.mouse.move(*at(page, *points[0]))
    page.mouse.down(button=button)
    for point in points[1:]:
        page.mouse.move(*at(page, *point), steps=4)
    page.mouse.up(button=button)


def turn_to(page, photograph, key):
    page.keyboard.press(key)
    expect(page.locator("#photographs")).to_have_value(str(photograph))


def saved(page):
    """The mask as bool array, from the download that saving starts."""
    with page.expect_download() as waiting:
        page.keyboard.press("Control+s")
    png = waiting.value.path().read_bytes()
    values = np.asarray(Image.open(io.BytesIO(png)).convert("L"))
    assert set(np.unique(values)) == {0, 255}
    return waiting.value, values == 255


def box_of(hole):
    rows, columns = np.nonzero(hole)
    return (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)


def test_a_drawn_hole_removes_the_object(page, photographs, tmp_path, monkeypatch):
    """The whole way: draw over the ball of a turned JPEG, save, run the stages, no ball."""
    open_photographs(page, photographs / "ball.jpg")
    page.keyboard.press("l")
    left, top, right, bottom = BALL
    drag(page, (left, top), (right, top), (right, bottom), (left, bottom))
    download, hole = saved(page)
    assert download.suggested_filename == "ball.png" and hole.shape == (TALL, WIDE)
    assert np.abs(np.subtract(box_of(hole), BALL)).max() <= 1

    (photographs / HOSTILE).unlink()
    (tmp_path / "data/own/masks").mkdir()
    download.save_as(tmp_path / "data/own/masks/ball.png")
    shutil.copy(ROOT / "params.yaml", tmp_path)
    for line, new in (
        ("source: samples", "source: data/own/photos"),
        ("shape: rectangles", "shape: files"),
        ("backend: diffusers", "backend: telea"),
        ("side: 128", "side: 160"),
    ):
        setting(tmp_path, line, new)
    monkeypatch.chdir(tmp_path)
    for stage in (fetch, mask, inpaint):
        stage.main(tmp_path / "params.yaml")
    before, after = (redness(folder) for folder in ("data/images", "data/inpainted/model"))
    assert before > 150 and after < 30


def redness(folder):
    """By how much red exceeds green at most, in the one picture of a folder."""
    (file,) = Path(folder).iterdir()
    picture = np.asarray(Image.open(file)).astype(int)
    return (picture[..., 0] - picture[..., 1]).max()


def test_brush_eraser_rectangle_and_the_other_button(page, photographs):
    open_photographs(page, photographs / "ball.jpg")
    page.locator("#size").fill("20")
    drag(page, (40, 80), (160, 80))
    _, hole = saved(page)
    assert np.abs(np.subtract(box_of(hole), (30, 70, 170, 90))).max() <= 1
    page.keyboard.press("r")
    drag(page, (100, 20), (150, 140))
    page.keyboard.press("e")
    drag(page, (20, 80), (180, 80))
    page.keyboard.press("b")
    drag(page, (125, 100), (125, 139), button="right")
    _, hole = saved(page)
    assert np.abs(np.subtract(box_of(hole), (100, 20, 150, 140))).max() <= 1
    assert not hole[75:85].any() and not hole[105:135, 120:130].any()
    assert hole[30:60, 102:148].all()


def test_undo_redo_and_invert_come_back_to_the_same_mask(page, photographs):
    open_photographs(page, photographs / "ball.jpg")
    drag(page, (50, 50), (60, 120), (120, 60))
    _, first = saved(page)
    page.keyboard.press("i")
    _, inverted = saved(page)
    assert np.array_equal(inverted, ~first)
    page.click("#invert")
    page.keyboard.press("r")
    drag(page, (10, 10), (40, 40))
    _, second = saved(page)
    assert second.sum() > first.sum()
    page.keyboard.press("Control+z")
    assert np.array_equal(saved(page)[1], first)
    page.keyboard.press("Control+Shift+Z")
    assert np.array_equal(saved(page)[1], second)
    page.click("#clear")
    page.keyboard.press("Control+s")
    assert "The hole is empty" in page.locator("#status").inner_text()
    page.keyboard.press("i")
    page.keyboard.press("Control+s")
    assert "The hole covers everything" in page.locator("#status").inner_text()


def test_what_is_asked_for_last_is_shown(page, photographs):
    """Also when the one before is still being read: asked for at once, none is yet."""
    last = shutil.copy(photographs / HOSTILE, photographs / "last.png")
    open_photographs(page, photographs / "ball.jpg", photographs / HOSTILE, last)
    for steps, number in (((1, 1), 2), ((-1, 1, -1), 1), ((-1, -1), 2)):
        page.evaluate("steps => steps.forEach((step) => { go(step) })", steps)
        expect(page.locator("#photographs")).to_have_value(str(number))
    drag(page, (50, 50), (120, 60))
    assert saved(page)[0].suggested_filename == "last.png"


def test_a_mask_is_loaded_only_into_the_photograph_it_was_meant_for(page, photographs):
    open_photographs(page, photographs / "ball.jpg", photographs / HOSTILE)
    page.evaluate("const loading = load(photographs[1].file); go(1); loading")
    expect(page.locator("#photographs")).to_have_value("1")
    assert page.locator("#undo").is_disabled()
    assert page.locator("#status").inner_text() == ""


def test_a_step_taken_while_a_mask_is_written_is_not_saved(page, photographs):
    open_photographs(page, photographs / "ball.jpg")
    drag(page, (50, 50), (120, 60))
    with page.expect_download():
        page.evaluate("for (const id of ['save', 'invert']) document.getElementById(id).click()")
    assert page.locator("#photographs").inner_text() == "• not saved: ball.jpg"
    saved(page)
    assert page.locator("#photographs").inner_text() == "✓ ball.jpg"


def test_each_photograph_keeps_its_own_hole(page, photographs):
    open_photographs(page, photographs / "ball.jpg", photographs / HOSTILE)
    drag(page, (50, 50), (120, 60))
    _, first = saved(page)
    turn_to(page, 1, "PageDown")
    assert page.locator("#save").is_disabled()
    drag(page, (50, 110), (120, 120))
    _, second = saved(page)
    assert not (first & second).any()
    turn_to(page, 0, "PageUp")
    assert np.array_equal(saved(page)[1], first)
    turn_to(page, 1, "PageDown")
    assert np.array_equal(saved(page)[1], second)


def test_a_hole_outlives_a_change_of_its_photograph(page, photographs):
    """A browser does not read a file that changed since it was opened; opened again, it does."""
    open_photographs(page, photographs / "ball.jpg", photographs / HOSTILE)
    drag(page, (50, 55), (120, 55))
    turn_to(page, 1, "PageDown")
    with Image.open(photographs / HOSTILE) as other:
        other.convert("L").save(photographs / "ball.jpg")
    page.keyboard.press("PageUp")
    page.get_by_text("ball.jpg: changed or moved since it was opened: open it again").wait_for()
    assert page.locator("#photographs option:checked").inner_text() == "• not saved: ball.jpg"
    assert page.locator("#save").is_disabled() and page.locator("#empty").is_visible()
    open_photographs(page, photographs / "ball.jpg")
    assert page.locator("#status").inner_text() == ""
    assert page.locator("#photographs option").count() == 2
    assert saved(page)[1][55, 52:118].all()
    page.set_input_files("#open", photographs / "ball.jpg")  # refused again, since it is there
    page.get_by_text("a photograph called ball is open already").wait_for()


def test_a_hole_is_not_lost_to_a_photograph_of_another_size(page, photographs, tmp_path):
    """Begun with a mask of the old size, it waits until the photograph of that size is back."""
    Image.new("L", (WIDE, TALL), 255).save(tmp_path / "mask.png")
    before = (photographs / "ball.jpg").read_bytes()
    open_photographs(page, photographs / "ball.jpg", photographs / HOSTILE)
    page.set_input_files("#load", tmp_path / "mask.png")
    page.get_by_text("is loaded").wait_for()
    drag(page, (50, 55), (120, 55), button="right")
    turn_to(page, 1, "PageDown")
    Image.new("L", (30, 20)).save(photographs / "ball.jpg")
    page.keyboard.press("PageUp")
    page.get_by_text("ball.jpg: changed or moved").wait_for()
    page.set_input_files("#open", photographs / "ball.jpg")
    wrong = f"ball.jpg: the mask is {WIDE}×{TALL} pixels, its photograph 30×20"
    page.get_by_text(wrong).wait_for()
    (photographs / "ball.jpg").write_bytes(before)
    page.set_input_files("#open", photographs / "ball.jpg")
    page.locator("#in:not([disabled])").wait_for()
    _, hole = saved(page)
    assert hole[:30].all() and not hole[55, 52:118].any()


def test_the_keyboard_alone_draws(page, photographs):
    open_photographs(page, photographs / "ball.jpg")
    page.keyboard.press("r")
    page.locator("#stage").focus()
    page.keyboard.press("Space")
    for key in ("ArrowRight", "ArrowRight", "ArrowDown"):
        page.keyboard.press(key)
    assert f"of {WIDE} × {TALL}" in page.locator("#status").inner_text()
    page.keyboard.press("Space")
    _, hole = saved(page)
    assert box_of(hole) == (WIDE / 2, TALL / 2, WIDE / 2 + 16, TALL / 2 + 8)


def test_a_key_held_down_begins_one_stroke(page, photographs):
    open_photographs(page, photographs / "ball.jpg")
    page.locator("#stage").focus()
    for key in ("Space", "Enter"):
        for _ in range(6):
            page.keyboard.down(key)
        page.keyboard.up(key)
    assert page.evaluate("[shown.done.length, draft]") == [1, None]


def test_no_key_draws_with_the_pan_tool(page, photographs):
    open_photographs(page, photographs / "ball.jpg")
    page.keyboard.press("h")
    page.locator("#stage").focus()
    for key in ("Space", "ArrowRight", "Space"):
        page.keyboard.press(key)
    assert page.locator("#undo").is_disabled()


def test_one_finger_draws_and_two_zoom(browser, photographs):
    size = {"width": 390, "height": 844}
    with visit(browser, PAGE.as_uri(), viewport=size, has_touch=True) as page:
        open_photographs(page, photographs / "ball.jpg")
        touch = page.context.new_cdp_session(page)

        def fingers(kind, *points):
            places = [dict(zip("xy", at(page, *p), strict=True)) for p in points]
            touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": places})

        fingers("touchStart", (60, 80))
        fingers("touchMove", (100, 80))
        fingers("touchEnd")
        _, drawn = saved(page)
        fingers("touchStart", (90, 40))
        fingers("touchStart", (90, 40), (110, 40))
        fingers("touchMove", (80, 40), (120, 40))
        fingers("touchEnd")
        _, hole = saved(page)
        assert np.array_equal(hole, drawn)
        page.touchscreen.tap(*at(page, WIDE / 2, TALL / 2))  # a dot, smaller since all is larger
        assert page.evaluate("place.scale / devicePixelRatio") > 2 * 0.96 * 366 / WIDE


def test_a_mask_is_loaded_to_go_on_and_one_of_another_size_is_refused(page, photographs, tmp_path):
    open_photographs(page, photographs / "ball.jpg")
    drag(page, (50, 50), (120, 60))
    download, first = saved(page)
    download.save_as(tmp_path / "mask.png")
    page.reload()
    open_photographs(page, photographs / "ball.jpg")
    page.set_input_files("#load", tmp_path / "mask.png")
    page.get_by_text("is loaded").wait_for()
    assert np.array_equal(saved(page)[1], first)
    Image.new("L", (30, 20)).save(tmp_path / "small.png")
    page.set_input_files("#load", tmp_path / "small.png")
    size = f"the mask is 30×20 pixels, its photograph {WIDE}×{TALL}; nothing was loaded"
    page.get_by_text(size).wait_for()
    assert np.array_equal(saved(page)[1], first)


def test_names_and_files_of_others_do_no_harm(page, photographs, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no picture")
    (tmp_path / "ball.png").write_bytes((photographs / HOSTILE).read_bytes())
    open_photographs(
        page,
        photographs / HOSTILE,
        photographs / "ball.jpg",
        tmp_path / "ball.png",
        tmp_path / "broken.png",
    )
    names = page.locator("#photographs option").all_text_contents()
    assert names == [HOSTILE, "ball.jpg", "broken.png"]
    assert "both would have the mask ball.png" in page.locator("#status").inner_text()
    page.select_option("#photographs", "2")
    page.get_by_text("broken.png: this browser cannot read it").wait_for()
    drag(page, (50, 50), (120, 60))
    assert HOSTILE in page.locator("#photographs").inner_text()
    download, _ = saved(page)
    # The browser writes _ for what no file on Windows may be called.
    assert download.suggested_filename == HOSTILE.replace("<", "_").replace(">", "_")


def test_masks_go_into_the_chosen_folder_and_are_found_there_again(served, photographs):
    masks = []
    for turn in range(2):
        served.reload()
        open_photographs(served, photographs / "ball.jpg")
        served.click("#folder")
        if turn:
            served.get_by_text("ball.png is loaded").wait_for()
        drag(served, (50, 50 + 30 * turn), (120, 60 + 30 * turn))
        masks.append(written(served))
    assert grown(*masks)


def test_a_hole_outlives_the_file_it_was_loaded_from(served, photographs):
    """Saving replaces that file, and what was drawn on it is still there, back from another."""
    open_photographs(served, photographs / "ball.jpg")
    served.click("#folder")
    drag(served, (50, 50), (120, 60))
    loaded = written(served)
    served.reload()
    open_photographs(served, photographs / "ball.jpg", photographs / HOSTILE)
    served.click("#folder")
    served.get_by_text("ball.png is loaded").wait_for()
    drag(served, (50, 80), (120, 90))
    replaced = written(served)
    drag(served, (50, 110), (120, 120))
    turn_to(served, 1, "PageDown")
    turn_to(served, 0, "PageUp")
    assert grown(loaded, replaced) and grown(replaced, written(served))


def test_a_mask_in_another_folder_is_replaced_only_when_asked(served, photographs):
    """What was said of the first folder's mask does not hold for the second's."""
    open_photographs(served, photographs / "ball.jpg")
    served.click("#folder")
    drag(served, (50, 50), (120, 60))
    first = written(served)
    drag(served, (50, 80), (120, 90))
    assert grown(first, written(served))  # without a question: it is this photograph's
    served.evaluate(OTHER_FOLDER)
    served.click("#folder")
    expect(served.locator("#folder")).to_have_text("Folder: other")
    asked = served.evaluate("save().then(() => window.asked)")
    assert asked == "other holds a ball.png already. Replace it?"
    assert served.evaluate("masks.getFileHandle('ball.png').then(read)") == "another's"


@pytest.mark.parametrize("late", [False, True])
def test_what_is_drawn_while_the_mask_of_the_folder_is_read_stays(served, photographs, late):
    """Also when the stroke ends only after the mask is there: it would have been wiped."""
    open_photographs(served, photographs / "ball.jpg")
    served.click("#folder")
    drag(served, (50, 50), (120, 60))
    written(served)
    served.reload()
    open_photographs(served, photographs / "ball.jpg")
    served.evaluate(DRAWN_MEANWHILE, late)
    assert served.evaluate("shown.done.map((step) => step.kind)") == ["stroke"]
    assert served.locator("#photographs").inner_text() == "• not saved: ball.jpg"


def written(page):
    """The mask ball.png as bool array, from the folder that saving writes it into."""
    page.click("#save")
    expect(page.locator("#photographs option:checked")).to_have_text("✓ ball.jpg")
    return np.array(page.evaluate(READ)).reshape(TALL, WIDE) > 0


def grown(before, after):
    return before.any() and after[before].all() and after.sum() > before.sum()


READ = """async () => {
  const folder = await navigator.storage.getDirectory();
  const file = await (await folder.getFileHandle("ball.png")).getFile();
  const bitmap = await createImageBitmap(file);
  const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d");
  context.drawImage(bitmap, 0, 0);
  const { data } = context.getImageData(0, 0, bitmap.width, bitmap.height);
  return [...data].filter((_, index) => index % 4 === 0);
}"""


DRAWN_MEANWHILE = """async (late) => {
  masks = await navigator.storage.getDirectory();
  const reading = resume();
  begin({ x: 50, y: 120 });
  if (!late) end();
  await reading;
  if (late) end();
}"""


# Choosing gives from now on a folder that holds a mask of its own; a question is answered with no.
OTHER_FOLDER = """async () => {
  const folder = await navigator.storage.getDirectory();
  const other = await folder.getDirectoryHandle("other", { create: true });
  const file = await (await other.getFileHandle("ball.png", { create: true })).createWritable();
  await file.write("another's");
  await file.close();
  window.showDirectoryPicker = async () => other;
  window.read = (handle) => handle.getFile().then((file) => file.text());
  window.confirm = (text) => { window.asked = text; return false; };
}"""


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def send_error(self, *arguments, **named):  # a browser asks for favicon.ico
        self.send_response(204)
        self.end_headers()


def test_only_the_script_and_style_of_the_page_may_run():
    html = PAGE.read_text(encoding="utf-8")
    assert not re.search(r"https?://|url\(|@import|innerHTML|eval\(", html)
    for tag in ("style", "script"):
        text = re.search(rf"<{tag}>(.*?)</{tag}>", html, re.S)[1]
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in html, f"{tag} changed: write sha256-{digest}"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_is_accessible_and_fits(browser, photographs, width, scheme):
    size = {"width": width, "height": 844}
    with visit(browser, PAGE.as_uri(), viewport=size, color_scheme=scheme, bypass_csp=True) as page:
        assert violations(page) == []
        open_photographs(page, photographs / "ball.jpg")
        page.locator("summary").click()
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
