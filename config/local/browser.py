"""The browser for `make test`: one that is here, or Playwright's own below var/."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys


def on_path() -> str | None:
    """The machine's own browser: $CHROMIUM, or `chromium` on the path; None without one."""
    named = os.environ.get("CHROMIUM")
    return named or shutil.which("chromium") or shutil.which("chromium-browser")


def provide() -> None:
    """Fetch Playwright's browser where there is none. Where it can't be had, the tests say so."""
    if on_path() is not None:
        return
    command = [sys.executable, "-m", "playwright", "install", "--no-shell", "chromium"]
    got = subprocess.run(command, capture_output=True, text=True, check=False)
    if got.returncode != 0:
        said = (got.stdout + got.stderr).splitlines()
        why = next((line for line in said if "Error" in line), "no reason given")
        print(f"No browser on the path, and Playwright's can't be fetched: {why}", flush=True)
