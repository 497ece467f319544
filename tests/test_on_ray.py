"""A real Ray cluster of two nodes that share no folder: same bytes, and a node that is killed."""

import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from test_inpaint import ROOT, configure, digests, speed, stage

RAY = Path(sys.executable).with_name("ray")
ON_RAY = {"runner": "ray", "cpus_per_actor": "1", "batch_size": "1"}


class Cluster:
    """Nodes of one core each; every one has a home and a working folder of its own."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.environment = {
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
            "RAY_USAGE_STATS_ENABLED": "0",
            "OMP_NUM_THREADS": "1",
        }
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self.nodes: list[subprocess.Popen] = []

    def start(self, *arguments: str, **environment: str) -> None:
        """One more node; returns when it has joined."""
        home = self.home(len(self.nodes))
        home.mkdir()
        with open(home / "log", "wb") as log:
            node = subprocess.Popen(
                [RAY, "start", "--block", "--num-cpus=1", "--disable-usage-stats", *arguments],
                cwd=home,
                env=os.environ | self.environment | {"HOME": str(home)} | environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.nodes.append(node)
        wait_for(lambda: "Ray runtime started" in (home / "log").read_text())

    def home(self, node: int) -> Path:
        return self.folder / f"node{node}"

    def kill(self, node: int, only: str = "") -> None:
        """As if its plug were pulled: the node and everything that it started.

        ``only`` spares processes that are not called so; Ray starts a painting one again.
        """
        started = psutil.Process(self.nodes[node].pid).children(recursive=True)
        named = [one for one in started if only in " ".join(one.cmdline())]
        assert named, f"nothing called {only} runs on node {node}"
        if not only:
            named.append(self.nodes[node])
        for process in named:
            process.kill()
        if not only:
            self.nodes[node].wait()


@contextmanager
def two_nodes(**environment: str):
    """A cluster; ``environment`` is the second node's own."""
    # Ray's sockets want a short path.
    with tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as folder:
        cluster = Cluster(Path(folder))
        temporary = f"--temp-dir={folder}/t"
        try:
            cluster.start(
                "--head", f"--port={cluster.port}", temporary, "--include-dashboard=false"
            )
            cluster.start(f"--address={cluster.address}", **environment)
            yield cluster
        finally:
            for number, node in enumerate(cluster.nodes):
                if node.poll() is None:
                    cluster.kill(number)


def wait_for(condition, seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory) -> Path:
    """Photographs and masks, filled on this machine alone in `here`, not yet in `there`."""
    folder = tmp_path_factory.mktemp("ray")
    (folder / "here").mkdir()
    configure(folder / "here", per_image="20", batch_size="1")
    for name in ("fetch", "mask"):
        stage(folder / "here", name)
    shutil.copytree(folder / "here", folder / "there")
    stage(folder / "here", "inpaint")
    return folder


@pytest.mark.parametrize("victim", ["", "ray::Host"], ids=["node", "worker"])
def test_a_kill_in_the_middle_costs_no_byte(prepared, tmp_path, victim):
    run = tmp_path / "run"
    shutil.copytree(prepared / "there", run)
    with two_nodes() as cluster:
        configure(run, per_image="20", address=cluster.address, **ON_RAY)
        command = [sys.executable, ROOT / "stages" / "inpaint.py"]
        environment = os.environ | cluster.environment | {"WIZARD_TRACEBACK": "1"}
        with subprocess.Popen(
            command, cwd=run, env=environment, stderr=subprocess.PIPE, text=True
        ) as driver:
            wait_for(lambda: len(list((run / "data/inpainted/model").glob("*.png"))) >= 2)
            caches = [list(cluster.home(n).glob(".cache/image-wizard/*/files/*")) for n in (0, 1)]
            cluster.kill(1, only=victim)
            said = driver.communicate(timeout=120)[1]
        assert driver.returncode == 0, said
    assert "Ray worker" in said and "is lost" in said
    assert all(caches), "each node was to get the model from the driver"
    assert speed(run)["filled"] == 40
    assert digests(run) == digests(prepared / "here")


def answer_beside(path: Path, prepared: Path, run: Path):
    """What inpaint says when the second node finds other modules in ``path``; it fills nothing."""
    shutil.copytree(prepared / "there", run)
    with two_nodes(PYTHONPATH=str(path)) as cluster:
        configure(run, address=cluster.address, **ON_RAY)
        answer = stage(run, "inpaint", check=False, **cluster.environment)
    assert not (run / "data" / "inpainted").exists()
    return answer


def test_a_node_with_other_code_is_found_out(prepared, tmp_path):
    stale = tmp_path / "stale"
    (stale / "wizard").mkdir(parents=True)
    (stale / "wizard" / "__init__.py").write_text("# an older version of this package\n")
    (stale / "sitecustomize.py").write_text("import wizard\n")
    answer = answer_beside(stale, prepared, tmp_path / "run")
    assert answer.returncode == 1
    assert f"took the code of {stale / 'wizard'}" in answer.stderr


def test_a_node_with_another_version_of_a_library_is_refused(prepared, tmp_path):
    changed = tmp_path / "changed"
    changed.mkdir()
    (changed / "sitecustomize.py").write_text(
        "import importlib.metadata as m\n"
        "known = m.version\n"
        "m.version = lambda name: '0.1' if 'opencv' in name else known(name)\n"
    )
    answer = answer_beside(changed, prepared, tmp_path / "run")
    assert answer.returncode == 2
    assert "the workers differ in opencv-python-headless (" in answer.stderr


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"address": "127.0.0.1:1"}, "runtime.address = 127.0.0.1:1"),
        ({"cpus_per_actor": "99"}, "runtime.cpus_per_actor = 99: the largest machine"),
    ],
)
def test_a_cluster_that_cannot_serve_is_one_line(prepared, tmp_path, changes, expected):
    run = tmp_path / "run"
    shutil.copytree(prepared / "there", run)
    configure(run, **(ON_RAY | changes))
    answer = stage(run, "inpaint", check=False, HOME=str(tmp_path))
    assert answer.returncode == 2
    assert answer.stderr.splitlines()[-1].startswith(f"inpaint.py: {expected}")
    assert "Traceback" not in answer.stderr and not (run / "data" / "inpainted").exists()


def test_without_ray_the_line_says_what_to_install(prepared, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(prepared / "there", run)
    configure(run, **ON_RAY)
    (tmp_path / "ray.py").write_text('raise ModuleNotFoundError("No module named ray", name="ray")')
    answer = stage(run, "inpaint", check=False, PYTHONPATH=str(tmp_path))
    assert answer.returncode == 2
    assert answer.stderr == (
        "inpaint.py: runtime.runner = ray: Ray is not installed; "
        "pip install -r requirements-ray.txt\n"
    )


LISTENERS = """
import sys
import psutil
from wizard.runners import on_ray
on_ray._connect(None)
me = psutil.Process()
for process in [me, *me.children(recursive=True)]:
    for connection in process.net_connections("tcp"):
        if connection.status == psutil.CONN_LISTEN:
            print(connection.laddr.ip)
"""


def test_a_cluster_of_our_own_listens_to_this_machine_alone(tmp_path):
    environment = os.environ | {"PYTHONPATH": str(ROOT / "stages"), "HOME": str(tmp_path)}
    command = [sys.executable, "-c", LISTENERS]
    heard = subprocess.check_output(command, env=environment, text=True).split()
    assert len(heard) > 2
    assert all(ip.removeprefix("::ffff:").startswith("127.") for ip in heard), heard


ROGUE = """
import ray
from wizard.runners import on_ray, plain

on_ray._connect(None)

class Bomb:
    def __reduce__(self):
        return open, ("bombed", "w")

@ray.remote
def returned():
    return Bomb()

@ray.remote
def raised():
    error = ValueError("x")
    error.bomb = Bomb()
    raise error

@ray.remote
def honest():
    return b'{"facts": {"a": 1}}\\n'

assert plain.read(ray.get(honest.remote()))[0]["facts"] == {"a": 1}
for rogue in (returned, raised):
    try:
        ray.get(rogue.remote())
    except Exception as error:
        print(f"refused: {type(error).__name__}")
    else:
        print("taken")
"""


def test_a_worker_cannot_run_code_in_the_driver_through_what_it_returns(tmp_path):
    """Neither as an object nor as an exception; the plain bytes of an honest one are read."""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "stages"), "HOME": str(tmp_path)}
    command = [sys.executable, "-c", ROGUE]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("refused") == 2 and "taken" not in done.stdout
    assert not (tmp_path / "bombed").exists()
