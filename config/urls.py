"""The site map."""

from django.contrib.auth.views import LoginView, LogoutView
from django.urls import include, path

from config.search import palette, search_page
from config.views import home, rail_counts, rail_fold

urlpatterns = [
    path("", home, name="home"),
    path("_/rail/", rail_counts, name="rail_counts"),
    path("_/rail/fold/", rail_fold, name="rail_fold"),
    path("search/", search_page, name="search"),
    path("search/_/palette/", palette, name="palette"),
    path("", include("backoffice.urls")),
    path("", include("inventory.urls")),
    path("", include("automations.urls")),
    path("", include("orders.urls")),
    path("", include("finance.urls")),
    path("", include("support.urls")),
    path("login/", LoginView.as_view(redirect_authenticated_user=True), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
]
