"""Pages travel packed."""

from __future__ import annotations

import gzip

from django.test import Client


def test_a_page_is_packed_for_who_can_unpack_it_and_plain_for_others(
    operations_client: Client,
) -> None:
    plain = operations_client.get("/orders/")
    packed = operations_client.get("/orders/", headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in plain
    assert packed["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in packed["Vary"]
    assert b"No orders" in gzip.decompress(packed.content)
    assert len(packed.content) * 3 < len(plain.content)


def test_two_equal_pages_differ_in_length_when_packed(operations_client: Client) -> None:
    """Who sees only lengths must not learn from them what stands in the page."""
    headers = {"Accept-Encoding": "gzip"}
    sizes = {len(operations_client.get("/me/", headers=headers).content) for _ in range(20)}
    assert len(sizes) > 1
