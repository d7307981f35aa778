"""`{% load charts %}`: charts in templates."""

from __future__ import annotations

from django import template

from backoffice import charts

register = template.Library()

register.simple_tag(charts.bar_chart, name="bar_chart")
register.simple_tag(charts.column_chart, name="column_chart")
