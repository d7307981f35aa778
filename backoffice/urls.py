"""Settings, jobs, saved views and one's own preferences."""

from django.urls import path

from backoffice.views import (
    audit,
    calendars,
    companies,
    jobs,
    me,
    notices,
    saved_views,
    staff,
    timelines,
)
from backoffice.workbench.pages import urls

urlpatterns = [
    *urls(jobs.JOBS, "jobs/"),
    path("jobs/<int:pk>/", jobs.job_detail, name="job_detail"),
    path("jobs/<int:pk>/_/progress/", jobs.job_progress, name="job_progress"),
    path("jobs/<int:pk>/_/outcomes/", jobs.job_outcomes, name="job_outcomes"),
    path("jobs/<int:pk>/start/", jobs.job_start, name="job_start"),
    path("jobs/<int:pk>/cancel/", jobs.job_cancel, name="job_cancel"),
    *urls(notices.NOTICES, "notices/"),
    path("notices/read/", notices.notices_read, name="notices_read"),
    path("notices/_/home/", notices.notices_home, name="notice_home"),
    path("notices/<int:pk>/", notices.notice_open, name="notice_open"),
    *urls(staff.STAFF, "settings/users/"),
    path("settings/users/new/", staff.user_new, name="user_new"),
    path("settings/users/<number:username>/", staff.user_detail, name="user_detail"),
    path("settings/users/<number:username>/_/role/", staff.user_role, name="user_role"),
    path(
        "settings/users/<number:username>/_/role/<int:pk>/<slug:verdict>/",
        staff.user_grant,
        name="user_grant",
    ),
    path("settings/users/<number:username>/_/access/", staff.user_access, name="user_access"),
    *urls(companies.COMPANIES, "settings/companies/"),
    path("settings/companies/<path:name>/", companies.company_detail, name="company_detail"),
    *urls(calendars.CALENDARS, "settings/calendars/"),
    path("settings/calendars/_/new/", calendars.calendar_new, name="calendar_new"),
    path("settings/calendars/<slug:key>/", calendars.calendar_detail, name="calendar_detail"),
    path("settings/calendars/<slug:key>/days/", calendars.calendar_days, name="calendar_days"),
    path("settings/calendars/<slug:key>/week/", calendars.calendar_week, name="calendar_week"),
    path(
        "settings/calendars/<slug:key>/holidays/",
        calendars.calendar_holidays,
        name="calendar_holidays",
    ),
    path(
        "settings/calendars/<slug:key>/days/<str:day>/clear/",
        calendars.calendar_clear,
        name="calendar_clear",
    ),
    *urls(audit.AUDIT, "settings/audit/"),
    path("views/new/", saved_views.view_new, name="view_new"),
    path("views/<int:pk>/", saved_views.view_edit, name="view_edit"),
    path("views/<int:pk>/delete/", saved_views.view_delete, name="view_delete"),
    path("timelines/<str:label>/<int:pk>/_/", timelines.timeline_part, name="timeline"),
    path("timelines/<str:label>/<int:pk>/notes/", timelines.note_add, name="note_add"),
    path("me/", me.me, name="me"),
    path("me/password/", me.me_password, name="me_password"),
    path("me/theme/", me.me_theme, name="me_theme"),
    path("me/density/", me.me_density, name="me_density"),
]
