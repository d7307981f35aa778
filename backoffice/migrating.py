"""Migrating a large schema without rendering most of it again for each operation.

Django renders a changed model anew together with all that it is related to, directly for plain
changes and recursively for relations. Where every model with a history points at the user, that is
most of the house: 29,000 classes for an empty database, nine tenths of the time of `migrate`. What
alters tables reads the changed model alone, so here it alone is rendered. Data migrations see all
models as they should be: Django renders everything before one where a rendering was delayed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db.migrations.state import ProjectState

_find = ProjectState._find_reload_model  # type: ignore[attr-defined]
_add_field = ProjectState.add_field


def _find_what_changed(
    state: ProjectState,
    app_label: str,
    model_name: str,
    delay: bool = False,
) -> set[tuple[str, str]]:
    is_new = model_name not in state.apps.all_models[app_label]
    if not delay and not is_new:  # a key or a relation changes: others may have to follow
        return set(_find(state, app_label, model_name, delay))
    state.is_delayed = True
    return {(app_label, model_name)}


def _add_field_alone(
    state: ProjectState, app_label: str, model_name: str, *field: Any, **more: Any
) -> None:
    # While nothing counts as rendered, nothing is rendered again.
    rendered = state.__dict__.pop("apps", None)
    _add_field(state, app_label, model_name, *field, **more)
    if rendered is not None:
        state.__dict__["apps"] = rendered
        state.reload_model(app_label, model_name, delay=True)


@contextmanager
def rendering_what_changed() -> Iterator[None]:
    """Let migrations render only the model that an operation adds or alters; not for threads."""
    ProjectState._find_reload_model = _find_what_changed  # type: ignore[attr-defined]
    ProjectState.add_field = _add_field_alone  # type: ignore[assignment,method-assign]
    try:
        yield
    finally:
        ProjectState._find_reload_model = _find  # type: ignore[attr-defined]
        ProjectState.add_field = _add_field  # type: ignore[method-assign]
