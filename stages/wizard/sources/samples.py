"""Two public-domain portraits that installed packages ship: photographs without a download."""

from importlib import resources

from wizard.console import BadSetting
from wizard.sources.photo import Collection, Photo, Request

# package, path inside it, eye centres in pixels, facts for the manifest
SAMPLES = {
    "astronaut": (
        "skimage",
        "data/astronaut.png",
        ((202, 101), (246, 103)),
        {
            "title": "Astronaut Eileen Collins",
            "author": "NASA",
            "licence": "public domain (United States government work)",
        },
    ),
    "grace_hopper": (
        "matplotlib",
        "mpl-data/sample_data/grace_hopper.jpg",
        ((223, 190), (305, 187)),
        {
            "title": "Commodore Grace M. Hopper, USN",
            "author": "James S. Davis, United States Navy",
            "licence": "public domain (United States government work)",
        },
    ),
}


def check(request: Request) -> None:
    """Raise BadSetting when no sample is asked for."""
    if request.start >= len(SAMPLES):
        raise BadSetting(f"fetch.start = {request.start}: there are {len(SAMPLES)} samples")


def collect(request: Request) -> Collection:
    """The portraits of scikit-image and Matplotlib, to be framed by their eyes."""
    chosen = list(SAMPLES)[request.start : request.stop]
    return Collection("samples", len(chosen), (_photo(name) for name in chosen))


def _photo(name: str) -> Photo:
    package, path, eyes, facts = SAMPLES[name]
    file = resources.files(package).joinpath(path)
    return Photo(name, f"{package}/{path}", file.read_bytes, eyes=eyes, facts=facts)
