"""Spread work over the machines of a Ray cluster (https://docs.ray.io).

The calling process, the driver, reads and writes every file. It sends the code and the model's
files once to each machine, where they are kept under ``~/.cache/image-wizard`` by their hash, then
batches of pixels, and gets pixels back: the machines share no disk. A cluster obeys whoever can
reach it, so it belongs into a network of its own.
"""

import hashlib
import importlib
import importlib.metadata
import json
import os
import pickle
import socket
import sys
import tempfile
import time
import traceback
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

import ray
from ray._private import ray_constants, serialization
from ray.exceptions import ObjectLostError, RayActorError

from wizard.console import BadSetting, say
from wizard.records import Unusable
from wizard.runners import plain

PACKAGE = Path(__file__).parents[1]
LIBRARIES = ("torch", "diffusers", "transformers", "numpy", "opencv-python-headless")
IN_FLIGHT = 2  # calls an actor: one at work and one waiting, so that none idles between two
MAX_LOSSES = 3
START_SECONDS, LATE_SECONDS = 600, 60
PATIENCE_SECONDS = 300


@dataclass(frozen=True)
class Call:
    """One call on its way: what is asked, of which actor, and where the answer will be."""

    method: str
    arguments: tuple | None
    actor: int = -1
    answer: ray.ObjectRef | None = None


class Workers:
    """Equal objects on the machines of a cluster, one a GPU or one for some CPU cores.

    ``make``, pickled, is called in each worker process, in a folder that holds ``files`` (names,
    and where their content lies here). ``address`` is a cluster's ``host:port``, "auto" for the
    one this machine belongs to, or None to start one on this machine alone. There is an actor for
    each GPU, or for each ``cpus_per_actor`` cores where ``device`` is "cpu" or no machine has a
    GPU.

    An actor that dies, alone or with its machine, is restarted when the cluster has room for it;
    meanwhile its calls go to the others. Ray's own retry (``max_task_retries``) stays off, since
    it waits for the same actor, which may never find a machine again.

    Raises BadSetting when there is no such cluster, no room in it, or when its machines would
    give different results.
    """

    def __init__(
        self,
        make: Callable[[], object],
        files: dict[str, Path],
        *,
        address: str | None,
        device: str,
        cpus_per_actor: int,
    ):
        _connect(address)
        contents = {f"files/{name}": path for name, path in files.items()}
        for path in sorted(PACKAGE.rglob("*.py")):
            contents[f"wizard/{path.relative_to(PACKAGE).as_posix()}"] = path
        sent, hashes = {}, {}
        for name, path in contents.items():
            data = path.read_bytes()
            sent[name], hashes[name] = ray.put(data), hashlib.sha256(data).hexdigest()
        needs, count = _room(device, cpus_per_actor)
        # By value: a machine's own copy of this file, if it has one, may be another version.
        ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
        host = ray.remote(max_restarts=-1, max_task_retries=0, **needs)(Host)
        # One small argument, which a restart finds whatever became of the object store.
        parcel = ray.cloudpickle.dumps((sent, hashes, ray.cloudpickle.dumps(make)))
        self._actors = [host.remote(parcel) for _ in range(count)]
        self._sent = sent  # Ray keeps what somebody refers to
        self._waiting: deque[Call] = deque()
        self._down: dict[int, ray.ObjectRef] = {}
        self._facts: dict = {}
        self._about = self._meet()

    def about(self) -> dict:
        """What each object tells of itself; it is the same for all."""
        return self._about

    def map(
        self, method: str, calls: Iterable[tuple | None]
    ) -> Iterator[tuple[object, dict] | None]:
        """Yield for each tuple of arguments, in order, the method's answer and what it cost.

        None, in the place of arguments, is passed through in its turn. An Unusable stands for the
        answer to a call that was lost with its worker three times. Raises TimeoutError when no
        worker has been alive for five minutes.
        """
        for arguments in calls:
            call = Call(method, arguments)
            self._waiting.append(call if arguments is None else self._send(call))
            if len(self._waiting) >= IN_FLIGHT * len(self._actors):
                yield self._receive(self._waiting.popleft())
        while self._waiting:
            yield self._receive(self._waiting.popleft())

    def close(self) -> None:
        """End the processes, so that others find the memory of their machines free."""
        for actor in self._actors:
            ray.kill(actor)

    def _meet(self) -> dict:
        """Wait for the actors, see that they agree, and go on without those that come late."""
        asked = [actor.about.remote() for actor in self._actors]
        begun = time.monotonic()
        ray.wait(asked, timeout=START_SECONDS)
        # The others may take as long again; what comes later still, or never, is not waited for.
        patience = max(LATE_SECONDS, time.monotonic() - begun)
        ready, _ = ray.wait(asked, num_returns=len(asked), timeout=patience)
        self._down = {n: answer for n, answer in enumerate(asked) if answer not in ready}
        for n, answer in enumerate(asked):
            if n not in self._down:
                self._welcome(n, answer)
        if not self._facts:
            raise BadSetting(
                f"runtime.runner = ray: no worker started within {START_SECONDS // 60} minutes; "
                "`ray status` tells what the cluster is busy with"
            )
        return self._facts["object"]

    def _welcome(self, actor: int, answer: ray.ObjectRef) -> None:
        """Take an actor that tells of itself; one that died of it is asked again.

        Raises BadSetting when it differs from the first.
        """
        try:
            facts = plain.read(ray.get(answer))[0]["facts"]
        except (RayActorError, ObjectLostError):
            self._down[actor] = self._actors[actor].about.remote()
            return
        self._down.pop(actor, None)
        self._facts = first = self._facts or facts
        differing = [key for key in facts if facts[key] != first[key]]
        if differing:
            # What the object tells of itself is long, and mostly follows from the rest.
            keys = [key for key in differing if key != "object"] or differing
            told = "; ".join(f"{key} ({first[key]}, {facts[key]})" for key in keys)
            raise BadSetting(
                f"runtime.runner = ray: the workers differ in {told}, so a result would depend on "
                "where it was made; use equal machines and libraries"
            )

    def _send(self, call: Call) -> Call:
        """Hand a call to the living actor that has the least to do."""
        answers = [other.answer for other in self._waiting if other.answer]
        done = ray.wait(answers, num_returns=len(answers), timeout=0)[0] if answers else []
        load = Counter(other.actor for other in self._waiting if other.answer not in done)
        actor = min(self._living(), key=lambda n: load[n])
        answer = self._actors[actor].call.remote(call.method, call.arguments)
        return replace(call, actor=actor, answer=answer)

    def _receive(self, call: Call) -> tuple[object, dict] | None:
        """The answer to a call, from another actor if its own is lost."""
        if call.arguments is None:
            return None
        for losses in range(1, MAX_LOSSES + 1):
            try:
                return plain.unpack(ray.get(call.answer))
            except (RayActorError, ObjectLostError):
                if call.actor not in self._down:
                    say(f"Ray worker {call.actor + 1} is lost; its calls go to the others")
                    self._down[call.actor] = self._actors[call.actor].about.remote()
                if losses < MAX_LOSSES:
                    call = self._send(call)
        return Unusable(f"lost with its Ray worker {MAX_LOSSES} times"), {}

    def _living(self) -> list[int]:
        """The actors that answer; waits while there are none."""
        patience = time.monotonic() + PATIENCE_SECONDS
        while True:
            for actor, answer in list(self._down.items()):
                if ray.wait([answer], timeout=0)[0]:
                    self._welcome(actor, answer)
            living = [n for n in range(len(self._actors)) if n not in self._down]
            if living:
                return living
            if time.monotonic() > patience:
                raise TimeoutError(
                    f"no Ray worker has answered for {PATIENCE_SECONDS} s; what was finished is "
                    "kept: mend the cluster and run again"
                )
            time.sleep(1)


class Host:
    """What runs in a worker process: it unpacks what was sent, makes the object and calls it.

    Pickled by value, so nothing of ours may be named in here.
    """

    def __init__(self, parcel: bytes):
        self._parcel = parcel
        self._object = None

    def about(self) -> bytes:
        """What the object tells of itself, and the versions that determine its results."""
        try:
            versions = {name: importlib.metadata.version(name) for name in LIBRARIES}
            facts = {"object": self._get().about()} | versions
            facts["GPU"] = importlib.import_module("wizard.devices").gpu()
            return importlib.import_module("wizard.runners.plain").pack_facts(facts)
        except Exception as error:
            return self._told(error)

    def call(self, method: str, arguments: tuple) -> bytes:
        """The method's answer, and what it cost."""
        try:
            function = getattr(self._get(), method)
            measured = importlib.import_module("wizard.runners.local").measured
            plain = importlib.import_module("wizard.runners.plain")
            return plain.pack(*measured(function, arguments))
        except Exception as error:
            return self._told(error)

    def _told(self, error: Exception) -> bytes:
        """An error as a message of ``wizard.runners.plain``, which may be what is missing."""
        kind = "OSError" if isinstance(error, OSError) else type(error).__name__
        text = str(error)
        if kind not in ("BadSetting", "Unusable", "OSError"):
            text = "".join(traceback.format_exception(error))
        return json.dumps({"raised": kind, "text": text}).encode() + b"\n"

    def _get(self) -> Any:
        """The object, made at the first call: an error then is an answer, not a dead actor."""
        if self._object is None:
            sent, hashes, made = pickle.loads(self._parcel)
            folder = _unpack(sent, hashes)
            os.chdir(folder / "files")
            sys.path.insert(0, str(folder))
            package = Path(importlib.import_module("wizard").__path__[0])
            if package != folder / "wizard":
                raise OSError(
                    f"a Ray worker took the code of {package}, not the code that it was sent"
                )
            self._object = pickle.loads(made)()
        return self._object


def _unpack(sent: dict[str, ray.ObjectRef], hashes: dict[str, str]) -> Path:
    """A folder with exactly these files, from this machine's cache or from the driver."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    digest = hashlib.sha256(json.dumps(hashes, sort_keys=True).encode()).hexdigest()
    folder = Path(cache, "image-wizard", digest)
    (folder / "files").mkdir(parents=True, exist_ok=True)
    for name, reference in sent.items():
        path = folder / name
        if path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == hashes[name]:
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            file.write(ray.get(reference))
        os.replace(file.name, path)
    return folder


class _PlainOnly:
    """Pickle, but for reading: in its place where Ray reads what a worker returned.

    Unpickling runs whatever code the pickle names, and a worker may be anybody who holds the
    cluster's token. Ours return bytes, which Ray hands on as they are.
    """

    def __getattr__(self, name: str):
        return getattr(ray.cloudpickle, name)

    def loads(self, *_, **__):
        raise ValueError("a Ray worker returned an object; only plain bytes are taken")

    @classmethod
    def install(cls) -> None:
        serialization.pickle = ray.exceptions.pickle = cls()


def _connect(address: str | None) -> None:
    if ray.is_initialized():
        return
    if address is None:
        # Of its own accord Ray would listen to the whole network; macOS and Windows are spared.
        ray_constants.ENABLE_RAY_CLUSTER = False
        os.environ[ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR] = "0"
    _PlainOnly.install()
    try:
        if address not in (None, "auto"):
            # Ray itself would try for two minutes.
            host, _, port = address.rpartition(":")
            socket.create_connection((host, int(port)), timeout=10).close()
        ray.init(address=address or "local", log_to_driver=False, logging_level="error")
    except (OSError, RuntimeError, ValueError) as error:
        raise BadSetting(
            f"runtime.address = {address}: {error}; start a cluster with `ray start --head`, "
            "or set address: null to use this machine alone"
        ) from None


def _room(device: str, cpus_per_actor: int) -> tuple[dict, int]:
    """What an actor needs of Ray, and how many of them the cluster has room for."""
    machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    gpus = int(sum(machine.get("GPU", 0) for machine in machines))
    if gpus and device != "cpu":
        return {"num_gpus": 1}, gpus
    count = sum(int(machine.get("CPU", 0)) // cpus_per_actor for machine in machines)
    if not count:
        most = max(int(machine.get("CPU", 0)) for machine in machines)
        raise BadSetting(
            f"runtime.cpus_per_actor = {cpus_per_actor}: the largest machine of the cluster has "
            f"{most} cores"
        )
    return {"num_cpus": cpus_per_actor}, count
