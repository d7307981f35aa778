"""`python -m tests.chaos.trial NAME FOLDER`: one trial, on the servers the environment names."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import django

if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings.test"
    django.setup()

from django.conf import settings

from tests.chaos.trials import try_it
from tests.chaos.world import Bed


def main() -> None:
    name, folder = sys.argv[1], Path(sys.argv[2])
    bed = Bed(settings.DATABASE_URL, settings.DATABASE_OWNER_URL, settings.REDIS_URL, folder)
    verdict = try_it(bed, name)
    (folder / "verdict.json").write_text(json.dumps(verdict.as_dict(), default=str))


if __name__ == "__main__":
    main()
