"""Copies the front-end files that we serve from npm into `static/vendor/`, once per upgrade.

Run by a developer (`python -m config.vendor`), never at start: the result is committed. Each
tarball must have the sha512 that `vendor.lock.json` names; a new package is added with an empty
`integrity` and `--add`, which writes the hash of what npm delivered.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "vendor.lock.json"
NOTICES = ROOT / "THIRD_PARTY_NOTICES.md"
# A map that is not there fails the manifest storage, and nobody debugs a minified file here.
SOURCE_MAP = re.compile(rb"(?m)^\s*(//[#@] sourceMappingURL=.*|/\*[#@] sourceMappingURL=.*\*/)\s*$")


class VendorError(Exception):
    """A package is not what the lock says."""


def fetch(package: dict[str, Any], folder: Path, *, add: bool) -> tarfile.TarFile:
    """The tarball of one package; raises VendorError when its hash differs from the lock."""
    name = f"{package['name']}@{package['version']}"
    done = subprocess.run(
        ["npm", "pack", "--silent", name], cwd=folder, check=True, capture_output=True, text=True
    )
    tarball = folder / done.stdout.strip().splitlines()[-1]
    digest = base64.b64encode(hashlib.sha512(tarball.read_bytes()).digest()).decode()
    found = f"sha512-{digest}"
    if add and not package["integrity"]:
        package["integrity"] = found
    if package["integrity"] != found:
        raise VendorError(f"{name} has {found}, the lock says {package['integrity']}.")
    return tarfile.open(tarball)


def member(archive: tarfile.TarFile, path: str) -> bytes:
    """One file of a tarball; raises VendorError when it is missing."""
    try:
        stream = archive.extractfile(f"package/{path}")
    except KeyError as error:
        raise VendorError(f"{path} is not in the package.") from error
    if stream is None:
        raise VendorError(f"{path} is no file.")
    return stream.read()


def copy(package: dict[str, Any], archive: tarfile.TarFile) -> None:
    """Write the listed files and the licence of a package into its own folder."""
    short = package["name"].removeprefix("@").replace("/", "-")
    folder = ROOT / package.get("into", "static/vendor") / f"{short}-{package['version']}"
    folder.mkdir(parents=True, exist_ok=True)
    for path in [*package["files"], package["licence_file"]]:
        content = member(archive, path)
        if path.endswith((".js", ".css")):
            content = SOURCE_MAP.sub(b"", content)
        (folder / Path(path).name).write_bytes(content)


def sprite(archive: tarfile.TarFile, names: list[str]) -> str:
    """One SVG with a symbol for each icon, to be used as `icons.svg#name`."""
    symbols = []
    for name in sorted(set(names)):
        svg = member(archive, f"icons/outline/{name}.svg").decode()
        body = svg[svg.index(">", svg.index("<svg")) + 1 : svg.rindex("</svg>")]
        body = re.sub(r"\s*\n\s*", "", body).replace(" />", "/>")
        body = body.replace('<path stroke="none" d="M0 0h24v24H0z" fill="none"/>', "")
        symbols.append(f'<symbol id="{name}" viewBox="0 0 24 24">{body}</symbol>')
    return '<svg xmlns="http://www.w3.org/2000/svg">\n' + "\n".join(symbols) + "\n</svg>\n"


def notices(packages: list[dict[str, Any]]) -> str:
    """The list of what others wrote and under which licence."""
    lines = [
        "# Third-party notices",
        "",
        "Countersign ships these files of others, unchanged but for removed source-map comments.",
        "The full licence of each lies beside its files.",
        "",
        "| Package | Version | Licence | Used for |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {p['name']} | {p['version']} | {p['licence']} | {p['used_for']} |" for p in packages
    ]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Fetch, check and copy every package of the lock."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--add", action="store_true", help="write the hash of new packages")
    add = parser.parse_args().add
    lock = json.loads(LOCK.read_text())
    with tempfile.TemporaryDirectory() as folder:
        for package in lock["packages"]:
            with fetch(package, Path(folder), add=add) as archive:
                copy(package, archive)
                if package["name"] == "@tabler/icons":
                    target = ROOT / "static" / "icons.svg"
                    target.write_text(sprite(archive, lock["icons"]))
            sys.stdout.write(f"{package['name']} {package['version']}\n")
    LOCK.write_text(json.dumps(lock, indent=2, ensure_ascii=False) + "\n")
    NOTICES.write_text(notices(lock["packages"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
