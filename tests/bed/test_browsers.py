import pytest
from playwright.sync_api import Page

from backoffice.models import User
from tests.bed.browsers import CheckAxe, SignIn, Site, Troubles


def test_a_signed_in_person_sees_the_home_page(
    page: Page, operations_user: User, sign_in: SignIn
) -> None:
    sign_in(page, operations_user)
    answer = page.goto("/")
    assert answer is not None
    assert answer.status == 200
    assert page.url.endswith("/")


def test_troubles_of_a_page_are_seen(page: Page, live_site: Site, troubles: Troubles) -> None:
    page.set_content("<script>throw new Error('boom')</script>")
    page.goto("/static/missing.css")
    assert any("boom" in words for words in troubles.seen)
    troubles.allow("boom")
    troubles.allow("status of 404")
    assert not troubles.left()


def test_axe_finds_an_image_without_words(page: Page, check_axe: CheckAxe) -> None:
    page.set_content(
        "<html lang='en'><title>x</title><main><h1>x</h1><img src='data:,'></main></html>"
    )
    with pytest.raises(pytest.fail.Exception, match="image-alt"):
        check_axe(page)
