"""What a person looks at.

- ``scores.py``: the scores table and what its columns are called
- ``pictures.py``: holes and errors made visible
- ``sheets.py``: contact sheet of masks, before a long run
- ``figures/``: figures that a paper could print
- ``histograms.py``: binned scores for ``dvc plots``
- ``review.py``: the review page, with its template, style and script
"""
