"""The five roles of staff, and the migration step that grants an app's permissions to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import migrations

OPERATIONS = "operations"
FINANCE = "finance"
SUPPORT = "support"
ADMINISTRATOR = "administrator"
AUDITOR = "auditor"
ROLES = (OPERATIONS, FINANCE, SUPPORT, ADMINISTRATOR, AUDITOR)


def grant(app_label: str, grants: Mapping[str, Sequence[str]]) -> migrations.RunPython:
    """A migration operation that grants permissions of one app to roles.

    `grants` maps a permission's codename (`view_order`, `approve_refund`) to the roles that get
    it. The permission row is made here if Django has not made it yet, so the order in which apps
    migrate does not matter.
    """

    def forwards(apps: Any, schema_editor: Any) -> None:
        content_types = apps.get_model("contenttypes", "ContentType")
        permissions = apps.get_model("auth", "Permission")
        groups = apps.get_model("auth", "Group")
        for codename, roles in grants.items():
            model, name = _owner(apps, app_label, codename)
            kind, _ = content_types.objects.get_or_create(app_label=app_label, model=model)
            permission, _ = permissions.objects.get_or_create(
                content_type=kind, codename=codename, defaults={"name": name}
            )
            for role in roles:
                groups.objects.get_or_create(name=role)[0].permissions.add(permission)

    return migrations.RunPython(forwards, migrations.RunPython.noop)


def _owner(apps: Any, app_label: str, codename: str) -> tuple[str, str]:
    """The model that declares a permission, and the permission's name."""
    for model in apps.get_app_config(app_label).get_models():
        meta = model._meta
        for known, name in meta.permissions:
            if known == codename:
                return meta.model_name, name
        for action in meta.default_permissions:
            if codename == f"{action}_{meta.model_name}":
                return meta.model_name, f"Can {action} {meta.verbose_name_raw}"
    raise LookupError(f"No model of {app_label} declares the permission {codename}.")
