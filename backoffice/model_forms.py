"""The base of forms of one model, subscriptable for the type checker alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django import forms

from backoffice.models import SavedView, User

if TYPE_CHECKING:
    UserModelForm = forms.ModelForm[User]
    SavedViewModelForm = forms.ModelForm[SavedView]
else:
    UserModelForm = SavedViewModelForm = forms.ModelForm
