"""The names of runs, which settings are checked against."""

MODEL, BASELINE = "model", "baseline"
RAW, ROUNDTRIP = "raw", "roundtrip"
AUXILIARY = (ROUNDTRIP, RAW)
# Results of a method, parts of which the model filled once more, to see whether they agree.
AGAIN = {MODEL: "again", BASELINE: "baseline_again"}
# What no contender may be called; DVC's run-cache ignores settings of the last two names.
RESERVED = (MODEL, BASELINE, *AUXILIARY, *AGAIN.values(), "size", "nfiles")
