"""Migrations that render only what changed leave the same tables, and data migrations see all."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

from django.db import connection, migrations, models
from django.db.migrations.state import ProjectState

from backoffice.grants import as_owner
from backoffice.migrating import rendering_what_changed
from tests.bed.databases import Database

OPERATIONS: list[Any] = [
    migrations.CreateModel("Person", [("id", models.BigAutoField(primary_key=True))]),
    migrations.CreateModel(
        "Parcel",
        [
            ("id", models.BigAutoField(primary_key=True)),
            ("packer", models.ForeignKey("papers.Person", models.PROTECT, related_name="packed")),
        ],
    ),
    migrations.AddField("person", "name", models.CharField(max_length=20, default="")),
    migrations.AddField(
        "parcel", "sender", models.ForeignKey("papers.Person", models.CASCADE, null=True)
    ),
    migrations.AddIndex("parcel", models.Index(fields=["sender", "packer"], name="by_both")),
    migrations.AddConstraint(
        "person", models.CheckConstraint(condition=~models.Q(name="x"), name="not_x")
    ),
    migrations.AlterField("person", "name", models.CharField(max_length=40, default="")),
    migrations.AlterField("person", "id", models.IntegerField(primary_key=True)),
]
SHAPE = """
    SELECT table_name, column_name, data_type, character_maximum_length, is_nullable
    FROM information_schema.columns WHERE table_name LIKE 'papers%%'
    UNION ALL SELECT conrelid::regclass::text, pg_get_constraintdef(oid), '', 0, ''
    FROM pg_constraint WHERE conrelid::regclass::text LIKE 'papers%%'
    UNION ALL SELECT tablename, indexdef, '', 0, ''
    FROM pg_indexes WHERE tablename LIKE 'papers%%' ORDER BY 1, 2
"""


def shape_after(rendering: AbstractContextManager[None]) -> tuple[list[Any], list[str]]:
    """The tables that the operations leave, and what a data migration at the end finds."""
    found: list[str] = []

    def look(apps: Any, editor: Any) -> None:
        person = apps.get_model("papers", "Person")
        found.extend(sorted(field.name for field in person._meta.get_fields()))
        parcel = apps.get_model("papers", "Parcel")
        assert parcel._meta.get_field("packer").related_model is person

    state = ProjectState()
    operations = [*OPERATIONS, migrations.RunPython(look)]
    migration = type("Papers", (migrations.Migration,), {"operations": operations})(
        "0001", "papers"
    )
    with as_owner(), rendering, connection.schema_editor(atomic=False) as editor:
        assert state.apps is not None  # as the executor does before the first one
        migration.apply(state, editor)
        rows = connection.cursor()
        rows.execute(SHAPE)
        shape = rows.fetchall()
        for name in ("Parcel", "Person"):
            editor.delete_model(state.apps.get_model("papers", name))
    return shape, found


def test_tables_and_models_are_those_that_django_leaves_by_itself(committed_db: Database) -> None:
    mine = shape_after(rendering_what_changed())
    assert len(mine[0]) > 10
    assert mine[1] == ["id", "name", "packed", "parcel"]
    assert mine == shape_after(nullcontext())


def test_django_renders_as_ever_once_it_is_left() -> None:
    before = (ProjectState._find_reload_model, ProjectState.add_field)  # type: ignore[attr-defined]
    with rendering_what_changed():
        assert ProjectState.add_field is not before[1]
    assert before == (ProjectState._find_reload_model, ProjectState.add_field)  # type: ignore[attr-defined]
