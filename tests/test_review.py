"""The review page in a real browser, opened from disk: looking, rating, exporting, and no harm."""

import csv
import json
import re

import numpy as np
import pytest
import small_project
from pages import violations, visit
from PIL import Image, ImageColor

import plot
from wizard import opinions
from wizard.metrics import ratings

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """The page of a small run, as a file:// address."""
    return draw_page(small_project.build(tmp_path_factory.mktemp("run")))


def draw_page(folder):
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


def exported(page, name="ratings-anonymous.csv"):
    with page.expect_download() as waiting:
        page.click("#export")
    assert waiting.value.suggested_filename == name
    text = waiting.value.path().read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines())), text


def island(page):
    return json.loads(page.locator("#data").text_content())


def good(page):
    return [result for result in island(page)["results"] if result["status"] == "ok"]


def value(result, metric, method="model"):
    return result["scores"][method][0][metric]


def shown_pair(page):
    """Hole and methods behind A and B on the page for rating, told by their pictures."""
    masked, *fills = page.locator("#trio img").evaluate_all("all => all.map(one => one.src)")
    (result,) = [one for one in island(page)["results"] if one["views"]["masked"] == [masked]]
    methods = {url: name for name, own in result["views"].items() for url in own}
    return result["id"], [methods[url] for url in fills]


def test_worst_is_first_and_order_turns(page):
    scored = {one["id"]: value(one, "ssim") for one in good(page)}
    ranked = sorted(scored, key=scored.get)
    assert names(page)[: len(ranked)] == ranked
    page.select_option("#order", "best")
    assert names(page)[: len(ranked)] == ranked[::-1]
    page.select_option("#sort", "hole_mae")
    page.select_option("#order", "worst")
    page.select_option("#of", "baseline")
    errors = {one["id"]: value(one, "hole_mae", "baseline") for one in good(page)}
    assert names(page)[: len(ranked)] == sorted(errors, key=errors.get, reverse=True)
    digits = {text.rpartition(".")[2] for text in page.locator(".numbers b").all_text_contents()}
    assert {len(text.split()[0]) for text in digits} == {1, 2, 3}  # hole, dB and levels, SSIM


def test_filters_by_metric_hole_and_status(page):
    results = good(page)
    middle = sorted(value(one, "psnr") for one in results)[2]
    page.select_option("#filter", "psnr")
    page.fill("#low", str(middle))
    assert set(names(page)) == {one["id"] for one in results if value(one, "psnr") >= middle}
    page.fill("#low", "")
    holes = sorted(one["hole_fraction"] for one in results)
    page.fill("#hole-high", str(100 * (holes[0] + holes[-1]) / 2))
    assert 0 < len(names(page)) < len(results)
    page.fill("#hole-high", "")
    page.select_option("#status", "failed")
    assert names(page) == ["helmet_mask002"]
    why = page.locator(".why").text_content()
    assert why == f"Autoencoder round trip: out of memory at {small_project.HOSTILE}"
    assert page.locator(".card .slider img.left").get_attribute("src").startswith("data:image")
    page.fill("#hole-low", "99")
    assert "Nothing fits" in page.locator("#grid").text_content()


def test_the_address_keeps_what_was_set(browser, page, address):
    page.select_option("#sort", "psnr")
    page.select_option("#order", "best")
    page.select_option("#right", "baseline")
    page.fill("#low", "0.5")
    before, link = names(page), page.url
    page.reload()
    assert names(page) == before
    rate(page)
    with visit(browser, link) as other:
        assert names(other) == before
        assert other.locator(".tag.r").first.text_content() == "telea"
    with visit(browser, f"{address}#sort=nonsense&order=%3Cb%3E&view=rate") as other:
        assert other.locator("#view-rate").is_visible()
        assert other.input_value("#sort") == "ssim" and other.input_value("#order") == "worst"


def test_a_card_has_three_stops_of_the_tab_key(page):
    page.locator(".card").first.locator("input[type=range]").focus()
    stops = []
    for _ in range(3):
        page.keyboard.press("Tab")
        stops.append(
            page.evaluate(
                "[...document.querySelectorAll('.card')].indexOf("
                "document.activeElement.closest('.card'))"
            )
        )
    assert stops == [0, 0, 1]


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
    assert "55 % Masked, the rest face-tiny" in slider.locator("input").get_attribute(
        "aria-valuetext"
    )
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
    assert tags.all_text_contents() == ["Original", "telea"]
    page.locator(".card").first.locator(".strip label", has_text="Difference").click()
    assert tags.all_text_contents() == ["Original", "Difference"]
    assert page.locator(".card").nth(1).locator(".tag").last.text_content() == "telea"


def test_what_a_card_alone_shows_stays_while_cards_are_sorted(page):
    hole = names(page)[0]
    card = page.locator(".card", has_text=hole)
    card.locator(".strip label", has_text="Difference").click()
    shown = card.locator(".tag.r")
    for order in ("best", "worst"):
        page.select_option("#order", order)
        page.wait_for_timeout(50)  # the address tells of its change a little later
        assert shown.text_content() == "Difference"
    page.evaluate("location.hash = 'order=best'")
    page.wait_for_function("document.getElementById('order').value === 'best'")
    assert shown.text_content() == "face-tiny"
    page.go_back()
    page.wait_for_function("document.getElementById('order').value === 'worst'")


def enlarge(page, place=0):
    page.locator(".card button", has_text="Enlarge").nth(place).click()


def test_a_result_is_enlarged_pixel_by_pixel_and_swapped(page):
    order = names(page)
    enlarge(page)
    name, told = page.locator("#viewer-name"), page.locator("#viewer-shown")
    assert name.text_content() == order[0] and told.text_content() == "face-tiny"
    picture = page.locator("#viewer-picture")
    before = picture.get_attribute("src")
    page.keyboard.press("Space")
    assert told.text_content() == "Original" and picture.get_attribute("src") != before
    page.keyboard.press("ArrowRight")
    assert name.text_content() == order[1] and told.text_content() == "face-tiny"
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    assert name.text_content() == order[-1]
    page.select_option("#viewer-zoom", "4")
    assert picture.evaluate("one => getComputedStyle(one).imageRendering") == "pixelated"
    assert picture.bounding_box()["width"] == 4 * small_project.SIZE
    page.locator("#viewer-name").click()
    page.keyboard.press("f")
    page.locator("#viewer-shown", has_text="Original").wait_for()
    page.locator("#viewer-shown", has_text="face-tiny").wait_for()


def test_the_viewer_shows_names_as_text(page):
    enlarge(page)
    shown = page.locator("#viewer").inner_text()
    assert small_project.HOSTILE in shown and small_project.TITLE in shown
    page.keyboard.press("Escape")
    assert not page.locator("#viewer").is_visible()


def test_of_several_samples_one_is_kept(browser, tmp_path):
    small_project.build(tmp_path, samples=3)
    with visit(browser, draw_page(tmp_path)) as page:
        page.select_option("#right", "model")
        card = page.locator(".card").first
        hole, shown = names(page)[0], card.locator(".right")
        first = shown.get_attribute("src")
        card.locator(".samples label", has_text="3").click()
        assert shown.get_attribute("src") != first
        card.locator("button", has_text="Keep this one").click()
        page.reload()
        assert card.locator("button[aria-pressed=true]").count() == 1
        with page.expect_download() as waiting:
            page.click("#export-picks")
        waiting.value.save_as(tmp_path / "data/picks.csv")
    assert opinions.picks(tmp_path / "data/picks.csv") == {hole: 2}
    with visit(browser, draw_page(tmp_path)) as page:  # in a browser that kept nothing
        assert page.locator(".card", has=page.locator("[aria-pressed=true]")).count() == 1
        assert page.locator(".samples input:checked").first.input_value() == "2"


def test_picks_of_holes_that_are_not_shown_are_exported_too(browser, tmp_path):
    """And a pick of a sample that is no longer made is not."""
    small_project.build(tmp_path, samples=2)
    (tmp_path / "data/picks.csv").write_text(
        "id,sample\nhelmet_mask000,3\nhelmet_mask001,1\nnot_shown_mask000,3\n"
    )
    with visit(browser, draw_page(tmp_path)) as page:
        assert page.locator("#export-picks").inner_text() == "Export picks.csv (2 kept)"
        card = page.locator(".card", has_text="astronaut_mask000")
        card.locator("button", has_text="Keep this one").click()
        card = page.locator(".card", has_text="helmet_mask001")
        card.locator("button[aria-pressed=true]").click()
        assert exported_picks(page) == {"astronaut_mask000": 0, "not_shown_mask000": 3}


def test_another_file_of_picks_counts_more_than_what_the_browser_kept(browser, tmp_path):
    small_project.build(tmp_path, samples=2)
    with visit(browser, draw_page(tmp_path)) as page:
        page.locator(".card button", has_text="Keep this one").first.click()
        page.reload()
        assert page.locator("button[aria-pressed=true]").count() == 1
        (tmp_path / "data/picks.csv").write_text("id,sample\nhelmet_mask000,1\n")
        draw_page(tmp_path)
        page.reload()
        assert exported_picks(page) == {"helmet_mask000": 1}


def test_taking_back_the_last_pick_can_be_exported(browser, tmp_path):
    small_project.build(tmp_path, samples=2)
    with visit(browser, draw_page(tmp_path)) as page:
        assert page.locator("#export-picks").is_disabled()
    (tmp_path / "data/picks.csv").write_text("id,sample\nhelmet_mask000,1\n")
    with visit(browser, draw_page(tmp_path)) as page:
        page.locator("button[aria-pressed=true]").click()
        assert exported_picks(page) == {}


def exported_picks(page):
    with page.expect_download() as waiting:
        page.click("#export-picks")
    return opinions.picks(waiting.value.path())


def test_a_card_offers_what_there_is_of_the_sample_that_is_shown(browser, tmp_path):
    """Of one hole the first of three samples failed, of the other ones the second."""
    small_project.build(tmp_path, samples=3)
    first = "helmet_mask000"
    small_project.fail(
        tmp_path, lambda hole, method, k: method == "model" and k == (0 if hole == first else 1)
    )
    with visit(browser, draw_page(tmp_path)) as page:
        for hole, lost in ((first, 0), ("helmet_mask001", 1)):
            card = page.locator(".card", has_text=hole)
            (views,) = [one["views"] for one in island(page)["results"] if one["id"] == hole]
            for sample in (0, 1, 2):
                card.locator(".samples label", has_text=str(sample + 1)).click()
                shown = dict(card.locator(".strip label:visible").evaluate_all(STRIP))
                made = {name: own[min(sample, len(own) - 1)] for name, own in views.items()}
                assert shown == {name: url for name, url in made.items() if url}
                assert ("model" in shown) == (sample != lost)
                assert card.locator(".strip input:checked").input_value() in shown
                assert card.locator(".right").get_attribute("src") in shown.values()


STRIP = "all => all.map(one => [one.control.value, one.querySelector('img').src])"


def other_tab(page):
    """The same page once more, in a tab of the same browser."""
    tab = page.context.new_page()
    tab.goto(page.url)
    return tab


def test_ratings_of_two_tabs_are_all_kept(page):
    """Each tab began without what the other one stored since."""
    tabs = page, other_tab(page)
    for tab in tabs:
        rate(tab)
        tab.fill("#rater", "Ann")
        tab.keyboard.press("Escape")
    tabs[0].keyboard.type("a")
    tabs[1].keyboard.type("jb")
    tabs[0].keyboard.type("jj0")
    tabs[1].fill("#rater", "Bob")
    tabs[1].keyboard.press("Escape")
    tabs[1].keyboard.type("a")
    tabs[0].keyboard.type("j0")
    for tab in tabs:
        tab.fill("#rater", "Ann")
        assert len(exported(tab, "ratings-ann.csv")[0]) == 4
        tab.fill("#rater", "Bob")
        assert len(exported(tab, "ratings-bob.csv")[0]) == 1


def test_picks_of_two_tabs_are_all_kept(browser, sampled):
    with visit(browser, sampled) as page:
        for place, tab in enumerate((page, other_tab(page))):
            tab.locator(".card button", has_text="Keep this one").nth(place).click()
        with page.expect_download() as waiting:
            page.click("#export-picks")
        assert len(opinions.picks(waiting.value.path())) == 2
        page.reload()
        assert page.locator("button[aria-pressed=true]").count() == 2


def test_of_some_holes_among_many_each_says_why_it_was_chosen(browser, tmp_path):
    small_project.build(tmp_path)
    settings = tmp_path / "params.yaml"
    text = settings.read_text(encoding="utf-8")
    settings.write_text(text.replace("review_images: 60", "review_images: 4"), encoding="utf-8")
    with visit(browser, draw_page(tmp_path)) as page:
        reasons = page.locator(".badge").all_text_contents()
    assert sorted(reasons) == ["best", "median", "random", "worst"]


@pytest.mark.parametrize("failed", [{"model"}, {"model", "baseline"}])
def test_a_run_in_which_a_method_failed_everywhere_is_shown(browser, tmp_path, failed):
    small_project.build(tmp_path)
    small_project.fail(tmp_path, lambda _, method, __: method in failed)
    with visit(browser, draw_page(tmp_path)) as page:
        assert page.locator(".badge.failed").count() == 6
        for view in ("rate", "run"):
            page.click(f"nav button[data-view={view}]")
        assert page.locator("#ranking tbody tr").count() == 2 - len(failed)
        assert "mask.ratio" in page.locator("#settings").inner_text()


def test_settings_and_quality_are_told(page):
    page.click("nav button[data-view=run]")
    assert "ssim.mean" in page.locator("#quality").inner_text()
    page.select_option("#ranked-by", "hole_mae")
    best, second = page.locator("#ranking tbody tr").all()
    assert best.inner_text().split()[:2] == ["1", "face-tiny"]
    assert "levels" in page.locator("#ranking thead").inner_text()
    assert float(second.locator("td").nth(3).inner_text()) > 0
    assert "mask.ratio" in page.locator("#settings").inner_text()


def test_ratings_by_keyboard_are_blind_kept_and_exported(page):
    rate(page)
    page.fill("#rater", "Ann")
    told = page.locator("#view-rate").inner_text().lower()
    assert not any(word in told for word in ("ssim", "face-tiny", "telea", "_mask"))
    assert "a note is exported with an answer to its pair" in told
    hole, order = shown_pair(page)
    assert sorted(order) == ["baseline", "model"]

    page.keyboard.press("Escape")
    page.keyboard.type("a543211")
    page.keyboard.press("Backspace")
    page.keyboard.type("2n")
    note = '=HYPERLINK("x"), <img src=x onerror=alert(3)>'
    page.keyboard.type(note)
    page.keyboard.press("Escape")
    page.keyboard.type("j")
    other, second = shown_pair(page)
    page.keyboard.type("04")
    page.reload()
    assert "2 judged" in page.locator("#rate-count").text_content()
    assert shown_pair(page)[0] not in (hole, other)  # it begins where she stopped
    page.keyboard.type("kk")
    assert page.locator("#note").input_value() == note

    rows, text = exported(page, "ratings-ann.csv")
    assert text.splitlines()[0] == "rater,id,sample,run,against,criterion,value,note"
    mine = [row for row in rows if row["id"] == hole]
    assert mine[0]["criterion"] == "preference" and mine[0]["value"] == order[0]
    assert {mine[0]["run"], mine[0]["against"]} == {"model", "baseline"}
    assert mine[0]["note"] == "'" + note and not any(row["note"] for row in mine[1:])
    given = {(row["run"], row["criterion"]): row["value"] for row in mine[1:]}
    criteria = ("seamlessness", "artifacts", "contextual_accuracy")
    assert given == {
        (run, criterion): value
        for run, values in zip(order, ("543", "212"), strict=True)
        for criterion, value in zip(criteria, values, strict=True)
    }
    theirs = [(row["run"], row["value"]) for row in rows if row["id"] == other]
    assert theirs == [("model", "tie"), (second[0], "4")]
    assert {row["rater"] for row in rows} == {"Ann"}


def test_every_pair_of_methods_is_drawn_equally_often(page):
    """Five methods on seven results: a run of ten turns has each of the ten pairs once."""
    turns = page.evaluate(
        """() => {
          data.rated = ["model", "baseline", "a", "b", "c"];
          const picture = { views: Object.fromEntries(data.rated.map((name) => [name, ["x"]])) };
          data.results = Array.from({ length: 7 }, (_, id) => ({ id: `r${id}`, ...picture }));
          data.results.forEach((result) => byId.set(result.id, result));
          return ["Ann", "Bob"].map((name) => drawTurns(name).map((one) =>
            [one.result.id, one.pair.join(), one.turned]));
        }"""
    )
    for own in turns:
        assert len({(hole, pair) for hole, pair, _ in own}) == len(own) == 7 * 10
        for start in range(0, 70, 10):
            assert len({pair for _, pair, _ in own[start : start + 10]}) == 10
        assert 20 < sum(turned for _, _, turned in own) < 50
    assert turns[0] != turns[1]


def test_ratings_of_two_people_are_kept_apart(page):
    rate(page)
    page.fill("#rater", "Ann")
    page.locator("#q-A-artifacts label", has_text="3").click()
    page.fill("#rater", "__proto__")
    assert page.locator("#q-A-artifacts input:checked").count() == 0
    page.locator("#q-A-artifacts label", has_text="5").click()
    rows, _ = exported(page, "ratings-proto.csv")
    assert [(row["rater"], row["value"]) for row in rows] == [("__proto__", "5")]
    page.fill("#rater", "Ann")
    rows, _ = exported(page, "ratings-ann.csv")
    assert [(row["rater"], row["value"]) for row in rows] == [("Ann", "3")]


def test_who_has_judged_nothing_has_nothing_to_export(page):
    """Answers belong to the name that they were given under."""
    rate(page)
    export = page.locator("#export")
    assert export.is_disabled() and "Enter your name first" in page.locator(".hint").inner_text()
    page.keyboard.type("a")
    page.fill("#rater", "Ann")
    assert export.is_disabled()
    page.fill("#rater", "")
    assert export.is_enabled()
    page.keyboard.press("Escape")
    page.keyboard.type("k")
    page.keyboard.press("Backspace")
    assert export.is_disabled()


def test_two_raters_in_two_windows_are_read_together(browser, address, tmp_path):
    """Look, rate, export, put the files in place, and sum them up."""
    folder = tmp_path / "ratings"
    folder.mkdir()
    shown = {}
    for rater, width, keys in (("Ann", 1280, "a543211"), ("Bob", 390, "0321543")):
        with visit(browser, address, viewport={"width": width, "height": 800}) as page:
            rate(page)
            page.fill("#rater", rater)
            page.keyboard.press("Escape")
            for _ in range(5):
                hole, order = shown_pair(page)
                shown[rater, hole] = order
                page.keyboard.type(keys + "j")
            rows, text = exported(page, f"ratings-{rater.lower()}.csv")
            (folder / f"{rater}.csv").write_text(text)
            holes = {one["id"] for one in good(page)}
    answers = opinions.read(opinions.find(tmp_path))
    assert len(answers) == 2 * 5 * 7
    scored = [
        {"id": hole, "image": hole.partition("_")[0], "sample": 0, "method": method}
        for hole in holes
        for method in ("model", "baseline")
    ]
    figures = ratings.summarise(answers, scored, resamples=200, seed=0)
    assert figures["raters"] == 2
    given = {"Ann": (5, 2), "Bob": (3, 5)}  # seamlessness of A and of B
    expected = [
        given[rater][order.index("model")]
        for (rater, hole), order in shown.items()
        if hole in holes
    ]
    assert figures["seamlessness"]["model"]["mean"] == pytest.approx(np.mean(expected), abs=1e-4)


def test_controls_are_folded_on_a_narrow_screen_only(browser, address):
    with visit(browser, address, viewport={"width": 360, "height": 740}) as page:
        assert not page.locator("#sort").is_visible()
        page.locator("#controls summary").click()
        page.select_option("#order", "best")
        page.set_viewport_size({"width": 1280, "height": 800})
        assert page.locator("#sort").is_visible()
        assert not page.locator("#controls summary").is_visible()


@pytest.fixture(scope="module")
def outsize(tmp_path_factory):
    """The page of a run with tall photographs and a model of a long name."""
    folder = small_project.build(tmp_path_factory.mktemp("outsize"))
    for path in (folder / "data").glob("**/*.png"):
        with Image.open(path) as picture:
            tall = picture.crop((0, 0, 12, small_project.SIZE))
        tall.save(path)
    settings = folder / "params.yaml"
    text = settings.read_text(encoding="utf-8")
    settings.write_text(text.replace("models/face-tiny", "models/" + 75 * "m"), encoding="utf-8")
    return draw_page(folder)


@pytest.mark.parametrize("width", [390, 768, 1280])
def test_nothing_is_wider_than_the_window(browser, outsize, width):
    with visit(browser, outsize, viewport={"width": width, "height": 800}) as page:
        for view in ("rate", "run", "results"):
            page.click(f"nav button[data-view={view}]")
            assert page.evaluate("document.documentElement.scrollWidth") <= width, view
        enlarge(page)
        wide, fits = page.locator("#viewer").evaluate("one => [one.scrollWidth, one.clientWidth]")
        assert wide <= fits < width


def test_what_is_rated_is_seen_at_once(browser, outsize):
    with visit(browser, outsize, viewport={"width": 1280, "height": 800}) as page:
        rate(page)
        for image in page.locator("#trio img").all():
            assert 100 < image.bounding_box()["height"] <= 0.75 * 800


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


@pytest.fixture(scope="module")
def sampled(tmp_path_factory):
    """The page of a run with two samples of each hole."""
    return draw_page(small_project.build(tmp_path_factory.mktemp("sampled"), samples=2))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(browser, sampled, scheme):
    with visit(browser, sampled, color_scheme=scheme, bypass_csp=True) as page:
        for view in ("results", "rate", "run"):
            page.click(f"nav button[data-view={view}]")
            assert violations(page) == [], view
        page.click("nav button[data-view=results]")
        enlarge(page)
        assert violations(page) == [], "viewer"
