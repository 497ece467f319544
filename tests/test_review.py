"""The review page in a real browser, opened from disk: looking, rating, exporting, and no harm."""

import csv
import json
import re
import shutil

import pytest
import small_project
from clones import setting, sh
from pages import visit
from PIL import ImageColor

import plot

pytestmark = pytest.mark.system

CRITERIA = {"seamlessness", "artifacts", "contextual_accuracy"}


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """The page of a small run, as a file:// address."""
    folder = small_project.build(tmp_path_factory.mktemp("run"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        plot.main(folder / "params.yaml")
    return (folder / "metrics/review/index.html").as_uri()


@pytest.fixture
def page(browser, address):
    """The page in a fresh profile; fails the test on any error, request or dialog."""
    with visit(browser, address) as opened:
        yield opened


def names(page):
    return page.locator(".card strong").all_text_contents()


def cut(slider):
    return float(slider.locator("input").input_value())


def rate(page):
    page.click("nav button[data-view=rate]")


def exported(page):
    with page.expect_download() as waiting:
        page.click("#export")
    assert waiting.value.suggested_filename == "ratings.csv"
    text = waiting.value.path().read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines())), text


def island(page):
    return json.loads(page.locator("#data").text_content())


def test_worst_is_first_and_order_turns(page):
    data = island(page)
    scored = {r["name"]: r["scores"]["ssim"] for r in data["results"] if r["status"] == "ok"}
    ranked = sorted(scored, key=scored.get)
    assert names(page)[: len(ranked)] == ranked
    page.select_option("#order", "best")
    assert names(page)[: len(ranked)] == ranked[::-1]
    page.select_option("#sort", "hole_mae")
    page.select_option("#order", "worst")
    errors = {r["name"]: r["scores"]["hole_mae"] for r in data["results"] if r["status"] == "ok"}
    assert names(page)[: len(ranked)] == sorted(errors, key=errors.get, reverse=True)


def test_filters_by_metric_hole_and_status(page):
    results = [r for r in island(page)["results"] if r["status"] == "ok"]
    middle = sorted(r["scores"]["psnr"] for r in results)[2]
    page.select_option("#filter", "psnr")
    page.fill("#low", str(middle))
    assert set(names(page)) == {r["name"] for r in results if r["scores"]["psnr"] >= middle}
    page.fill("#low", "")
    holes = sorted(r["scores"]["hole_fraction"] for r in results)
    page.fill("#hole-high", str(100 * (holes[0] + holes[-1]) / 2))
    assert 0 < len(names(page)) < len(results)
    page.fill("#hole-high", "")
    page.select_option("#status", "failed")
    assert names(page) == ["helmet_mask002"]
    assert small_project.HOSTILE in page.locator(".why").text_content()
    page.fill("#hole-low", "99")
    assert "Nothing fits" in page.locator("#grid").text_content()


def drag(page, slider, share):
    """Drag the slider's bar from the middle to a share of the width; return its box."""
    box = slider.bounding_box()
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] / 2, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * share, middle, steps=4)
    page.mouse.up()
    return box


def test_slider_follows_the_mouse(page):
    slider = page.locator(".slider").first
    box = drag(page, slider, 0.2)
    assert abs(cut(slider) - 20) <= 1
    page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + 20)
    assert abs(cut(slider) - 20) <= 1
    clip = slider.locator(".right").evaluate("image => getComputedStyle(image).clipPath")
    assert abs(float(re.search(r"([\d.]+)%", clip)[1]) - 20) <= 1


def test_slider_follows_the_keyboard(page):
    slider = page.locator(".slider").first
    slider.locator("input").focus()
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    assert cut(slider) == 55
    assert "55 % Masked, the rest Model" in slider.locator("input").get_attribute("aria-valuetext")
    page.keyboard.press("Home")
    assert cut(slider) == 0


def test_slider_follows_a_finger(browser, address):
    with visit(browser, address, viewport={"width": 360, "height": 740}, has_touch=True) as page:
        slider = page.locator(".slider").first
        slider.scroll_into_view_if_needed()
        box = slider.bounding_box()
        page.touchscreen.tap(box["x"] + box["width"] * 0.75, box["y"] + 20)
        assert abs(cut(slider) - 75) <= 1


def test_views_are_chosen_for_all_and_for_one(page):
    page.select_option("#left", "original")
    page.select_option("#right", "baseline")
    tags = page.locator(".card").first.locator(".tag")
    assert tags.all_text_contents() == ["Original", "Baseline"]
    page.locator(".card").first.locator(".strip button", has_text="Error").click()
    assert tags.all_text_contents() == ["Original", "Error"]
    assert page.locator(".card").nth(1).locator(".tag").last.text_content() == "Baseline"


def test_details_show_names_as_text(page):
    page.locator(".card button", has_text="Details").first.click()
    shown = page.locator("#details").inner_text()
    assert small_project.HOSTILE in shown and small_project.TITLE in shown
    assert page.locator("#details img").count() == 6
    page.keyboard.press("Escape")
    assert not page.locator("#details").is_visible()


def test_settings_and_quality_are_told(page):
    page.click("nav button[data-view=run]")
    assert "ssim.mean" in page.locator("#quality").inner_text()
    assert "mask.ratio" in page.locator("#settings").inner_text()


def test_ratings_by_keyboard_are_blind_kept_and_exported(page):
    queue = [r for r in island(page)["results"] if "model" in r["views"]]
    first, second = sorted(queue, key=lambda one: one["turn"])[:2]
    rate(page)
    told = page.locator("#view-rate").inner_text().lower().replace("the model, the other", "")
    assert "ssim" not in told and first["name"] not in told
    sources = page.locator("#trio img").evaluate_all("images => images.map(one => one.src)")
    order = ["model", "baseline"] if first["model_first"] else ["baseline", "model"]
    assert sources == [first["views"][view] for view in ("masked", *order)]

    page.fill("#rater", "Ann")
    page.keyboard.press("Escape")
    page.keyboard.type("a543211")
    page.keyboard.press("Backspace")
    page.keyboard.type("2n")
    note = '=HYPERLINK("x"), <img src=x onerror=alert(3)>'
    page.keyboard.type(note)
    page.keyboard.press("Escape")
    page.keyboard.type("jb4")
    page.reload()
    rate(page)
    assert "1 rated in full" in page.locator("#rate-count").text_content()
    assert page.locator("#note").input_value() == note

    rows, text = exported(page)
    assert text.splitlines()[0] == "rater,id,run,criterion,value,note"
    mine = [row for row in rows if row["id"] == first["id"]]
    assert mine[0]["criterion"] == "preference" and mine[0]["value"] == order[0]
    assert mine[0]["run"] == "" and mine[0]["rater"] == "Ann"
    assert mine[0]["note"] == "'" + note and not any(row["note"] for row in mine[1:])
    given = {(row["run"], row["criterion"]): row["value"] for row in mine[1:]}
    criteria = ("seamlessness", "artifacts", "contextual_accuracy")
    assert given == {
        (run, criterion): value
        for run, values in zip(order, ("543", "212"), strict=True)
        for criterion, value in zip(criteria, values, strict=True)
    }
    theirs = [row["value"] for row in rows if row["id"] == second["id"]]
    other = ["model", "baseline"] if second["model_first"] else ["baseline", "model"]
    assert theirs == [other[1], "4"]


def test_ratings_by_mouse_and_of_two_people_are_kept_apart(page):
    rate(page)
    page.fill("#rater", "Ann")
    page.locator("#q-A-artifacts label", has_text="3").click()
    page.fill("#rater", "__proto__")
    assert page.locator("#q-A-artifacts input:checked").count() == 0
    page.locator("#q-A-artifacts label", has_text="5").click()
    rows, _ = exported(page)
    assert {(row["rater"], row["value"]) for row in rows} == {("Ann", "3"), ("__proto__", "5")}
    assert {row["criterion"] for row in rows} <= CRITERIA


def test_ratings_go_from_the_page_into_numbers_and_figure(browser, clone, tmp_path):
    """The whole chain, with two fills of each hole: run, look, rate, export, put in place, run."""
    folder = tmp_path / "rated"
    shutil.copytree(clone, folder, symlinks=True)
    setting(folder, "samples_per_mask:", "samples_per_mask: 2")
    setting(folder, "review_images:", "review_images: 12")
    sh(folder, "dvc", "repro")
    address = (folder / "metrics/review/index.html").as_uri()
    lines = [(folder / "data/ratings.csv").read_text()]
    for rater, width, keys in (("Ann", 1280, "a543211"), ("Bob", 360, "b321543")):
        with visit(browser, address, viewport={"width": width, "height": 800}) as page:
            slider = page.locator(".slider").first
            slider.scroll_into_view_if_needed()
            drag(page, slider, 0.2)
            assert abs(cut(slider) - 20) <= 1
            assert len(names(page)) == 12
            rate(page)
            assert "1 of 6" in page.locator("#rate-count").text_content()
            assert "the first is rated" in page.locator("#view-rate").inner_text()
            page.fill("#rater", rater)
            page.keyboard.press("Escape")
            page.keyboard.type(keys)
            lines.append(exported(page)[1].split("\n", 1)[1])
            rated = min(
                (r for r in island(page)["results"] if not r["sample"]), key=lambda r: r["turn"]
            )
    (folder / "data/ratings.csv").write_text("".join(lines))
    sh(folder, "dvc", "repro")

    ratings = json.loads((folder / "metrics/ratings.json").read_text())
    assert (ratings["ratings"], ratings["raters"], ratings["unknown"]) == (14, 2, 0)
    seamless = {run: ratings["seamlessness"][run]["mean"] for run in ("model", "baseline")}
    order = ["model", "baseline"] if rated["model_first"] else ["baseline", "model"]
    assert seamless == dict(zip(order, (4.0, 3.5), strict=True))
    assert ratings["seamlessness"]["agreement"] < 0.5
    assert ratings["preference"]["model"] == 0.5
    assert ratings["preference"]["low"] < 0.1 and ratings["preference"]["high"] > 0.9
    assert (folder / "metrics/figures/ratings.png").is_file()


def test_controls_are_folded_on_a_narrow_screen_only(browser, address):
    with visit(browser, address, viewport={"width": 360, "height": 740}) as page:
        assert not page.locator("#sort").is_visible()
        page.locator("#controls summary").click()
        page.select_option("#order", "best")
        page.set_viewport_size({"width": 1280, "height": 800})
        assert page.locator("#sort").is_visible()
        assert not page.locator("#controls summary").is_visible()


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_nothing_is_wider_than_the_window(browser, address, width):
    with visit(browser, address, viewport={"width": width, "height": 800}) as page:
        for view in ("results", "rate", "run"):
            page.click(f"nav button[data-view={view}]")
            assert page.evaluate("document.documentElement.scrollWidth") <= width, view


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_the_contrast_that_wcag_asks_for(browser, address, scheme):
    with visit(browser, address, color_scheme=scheme) as page:
        names = ["paper", "panel", "soft", "ink", "muted", "accent", "on-accent", "bad"]
        style = "getComputedStyle(document.documentElement)"
        colours = {
            name: page.evaluate(f"{style}.getPropertyValue('--{name}').trim()") for name in names
        }
    pairs = [
        (text, back) for text in ("ink", "muted", "accent", "bad") for back in ("paper", "panel")
    ]
    pairs += [("accent", "soft"), ("ink", "soft"), ("on-accent", "accent")]
    for text, back in pairs:
        assert contrast(colours[text], colours[back]) >= 4.5, (text, back)


def contrast(one, other):
    """Contrast ratio of WCAG 2."""
    low, high = sorted(luminance(ImageColor.getrgb(colour)) for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


def luminance(rgb):
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in rgb)
    ]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_every_control_has_a_name_and_every_picture_an_alt(page):
    for view in ("results", "rate"):
        page.click(f"nav button[data-view={view}]")
        nameless = page.evaluate(
            """() => [...document.querySelectorAll("button, input, select, textarea")]
              .filter((one) => !(one.labels?.length || one.ariaLabel || one.textContent.trim()))
              .map((one) => one.outerHTML)"""
        )
        assert nameless == []
    assert page.locator("img:not([alt])").count() == 0


def test_motion_only_for_those_who_did_not_ask_for_less(browser, address):
    with visit(browser, address, reduced_motion="reduce") as page:
        moving = page.locator("button").first.evaluate("one => getComputedStyle(one).transition")
    assert moving in ("all", "none", "all 0s ease 0s", "")


def test_foreign_script_cannot_run_even_when_put_into_the_page(browser, address):
    visiting = visit(browser, address)
    with visiting as page:
        page.evaluate(
            """() => {
              const box = document.createElement("div");
              box.innerHTML = "<img src=data:, onerror=window.harm=1>";
              const script = document.createElement("script");
              script.textContent = "window.harm = 2";
              document.body.append(box, script);
            }"""
        )
        page.wait_for_timeout(200)
        assert page.evaluate("window.harm") is None
        assert any("Content Security Policy" in wrong for wrong in visiting.wrongs)
        visiting.wrongs.clear()
