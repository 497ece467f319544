"""The names of runs, which settings are checked against."""

MODEL, BASELINE = "model", "baseline"
RAW, ROUNDTRIP = "raw", "roundtrip"
AUXILIARY = (ROUNDTRIP, RAW)
# Results of a method, parts of which the model filled once more, to see whether they agree.
AGAIN = {MODEL: "again", BASELINE: "baseline_again"}
# What no contender may be called: other runs, what stands beside methods under its own name in
# by_hole.json (hole_ssim, gain_ssim and so on), in ratings and on pictures, and two settings that
# DVC's run-cache ignores.
RESERVED = (
    *(MODEL, BASELINE, *AUXILIARY, *AGAIN.values()),
    *("hole", "ring", "outside", "gain"),
    *("tie", "agreement"),
    *("original", "masked", "error", "title"),
    *("size", "nfiles"),
)
