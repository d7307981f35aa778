"""No address leads inside: whatever it looks like, nothing connects. A listener counts."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest

from automations.connectors import addresses
from automations.connectors.targets import Target, TargetInvalid, below, read_path, read_url
from automations.connectors.transport import Limits, Transport, Unreachable
from tests.bed.listeners import Listener, resolves_to

PUBLIC = "93.184.215.14"
INSIDE_4 = ["127.0.0.1", "10.0.0.1", "169.254.169.254", "192.168.1.1", "172.16.0.1"]
INSIDE_4 += ["100.100.100.200", "0.0.0.0", "168.63.129.16"]


def notations(address: str) -> list[str]:
    """One IPv4 address as the many ways of writing it that some library reads."""
    parts = [int(part) for part in address.split(".")]
    number = int(ipaddress.IPv4Address(address))
    octal = ".".join(f"0{part:o}" for part in parts)
    hexa = ".".join(f"0x{part:x}" for part in parts)
    return [
        address,
        f"{address}.",
        str(number),
        f"0x{number:08x}",
        f"0X{number:08X}",
        f"0{number:o}",
        octal,
        hexa,
        f"{parts[0]}.{number & 0xFFFFFF}",
        f"0x{parts[0]:x}.{parts[1]}.{(parts[2] << 8) + parts[3]}",
        ".".join(f"{part:03}" for part in parts),
        f"{address}%00.example.com",
    ]


HOSTS_6 = [
    *("::1", "::", "0:0:0:0:0:0:0:1", "::ffff:127.0.0.1", "::ffff:7f00:1", "::127.0.0.1"),
    *("::ffff:0:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::127.0.0.1", "64:ff9b:1::a00:1"),
    *("2002:7f00:1::", "2002:a9fe:a9fe::1", "2001:0:7f00:1::", "2001:db8::1", "fc00::1"),
    *("fd00:ec2::254", "fe80::1", "fe80::1%25eth0", "fe80::1%eth0", "fec0::1", "ff02::1"),
    *("::ffff:169.254.169.254", "::ffff:a9fe:a9fe", "3fff::1", "100::1", "2001:10::1"),
]
NAMES = [
    *("localhost", "LOCALHOST", "localhost.", "foo.localhost", "a.local", "db.internal"),
    *("metadata.google.internal", "kubernetes.default.svc.cluster.local", "intranet", "router.lan"),
    *(
        "printer.home.arpa",
        "x.onion",
        "example",
        "example.com.",
        "-a.example.com",
        "a..example.com",
    ),
    *("a_b.example.com", "exa mple.com", "*.example.com", "example.com.127.0.0.1", "1.2.3.4.5"),
    *("EXAMPLE.com", "example.0x7f", "example.09"),
]
UNICODE = [
    *(
        "①②⑦.⓪.⓪.①",
        "127。0。0。1",
        "127．0．0．1",
        "１２７.0.0.1",
        "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ",
        "ｌｏｃａｌｈｏｓｔ",
    ),
    *("exämple.com", "éxample.com", "example.c\u043em", "ex\u200bample.com", "ex\u00adample.com"),
    *("example\u2024com", "\u202eexample.com", "example.com\u3002evil.com", "ℯxample.com"),
]
WHOLE = [
    # Who is the host: readers disagree.
    "https://api.example.com@127.0.0.1/",
    "https://api.example.com:pass@127.0.0.1/",
    "https://api.example.com%40127.0.0.1/",
    "https://127.0.0.1@api.example.com/",
    "https://api.example.com:443@127.0.0.1:443/",
    "https://api.example.com\\@127.0.0.1/",
    "https://127.0.0.1\\@api.example.com/",
    "https://api.example.com\\.127.0.0.1/",
    "https:\\\\127.0.0.1\\",
    "https:/\\127.0.0.1/",
    "https:127.0.0.1/",
    "https:///127.0.0.1/",
    "https:////127.0.0.1/",
    "https://api.example.com#@127.0.0.1/",
    "https://api.example.com?@127.0.0.1/",
    "https://api.example.com;@127.0.0.1/",
    "https://api.example.com&@127.0.0.1#@x/",
    "https://[api.example.com]/",
    "https://[::1]@api.example.com/",
    "https://[::1",
    "https://::1/",
    "https://[127.0.0.1]/",
    "https://[v1.fe80::1]/",
    "https://api.example.com:443:80/",
    "https://api.example.com:80@/",
    "https://:443/",
    "https://@/",
    "https://",
    # Ports.
    *(f"https://api.example.com:{port}/" for port in ("22", "80", "6379", "5432", "0", "65536")),
    *(f"https://api.example.com:{port}/" for port in ("-1", "443x", "0443", "４４３", " 443", "")),
    # Other schemes, and none.
    *(f"{scheme}://api.example.com/" for scheme in ("http", "ftp", "gopher", "dict", "ldap")),
    *(
        f"{scheme}://api.example.com/"
        for scheme in ("file", "jar", "HTTPS", "netdoc", "phar", "s3")
    ),
    "//api.example.com/",
    "/etc/passwd",
    "api.example.com/",
    "javascript:alert(1)",
    "data:text/plain,x",
    "unix:///var/run/docker.sock",
    "url:https://api.example.com/",
    # Lines, spaces, and what ends a text for others.
    "https://api.example.com/\r\nHost: 127.0.0.1",
    "https://api.example.com/%0d%0aHost:%20127.0.0.1",
    "https://api.example.com\r\n/",
    "https://api.example.com\t/",
    "https://api.exam\tple.com/",
    "https://api.exam\nple.com/",
    "https://api.example.com\x00.evil.com/",
    "https://api.example.com%00/",
    "https://api.example.com%2f@127.0.0.1/",
    " https://api.example.com/",
    "https://api.example.com/ ",
    "https://api.example.com/a b",
    "https://api.example.com/\u2028",
    # Ways up and aside.
    "https://api.example.com/../admin",
    "https://api.example.com/%2e%2e/admin",
    "https://api.example.com/%252e%252e/admin",
    "https://api.example.com/a/.%2e/b",
    "https://api.example.com//127.0.0.1/",
    "https://api.example.com/%2f%2f127.0.0.1/",
    "https://api.example.com/%5c127.0.0.1",
    "https://api.example.com/a#b",
    "https://api.example.com/{x}",
    "https://api.example.com/<x>",
    "https://api.example.com/%",
    "https://api.example.com/%zz",
    f"https://{'a.' * 130}com/",
    f"https://{'a' * 64}.com/",
    f"https://api.example.com/{'a' * 3000}",
]
CORPUS = list(
    dict.fromkeys(
        [
            *(f"https://{host}/" for address in INSIDE_4 for host in notations(address)),
            *(f"https://[{host}]/" for host in HOSTS_6),
            *(f"https://{host}/" for host in (*NAMES, *UNICODE)),
            *WHOLE,
        ]
    )
)
TOLD_INSIDE = [
    *INSIDE_4,
    *("127.255.255.254", "10.255.255.255", "172.31.255.255", "100.64.0.1", "192.0.0.192"),
    *("192.0.2.1", "192.88.99.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1"),
    *("239.255.255.255", "240.0.0.1", "255.255.255.255"),
    *(host.replace("%25", "%") for host in HOSTS_6),
    *("not an address", "", "1.2.3", "0x7f000001"),
]


def call(target: Target) -> int:
    client = Transport(Limits(1.0, 2.0), 1)
    try:
        return client.exchange("POST", target, {}, b"{}").status
    finally:
        client.close()


def test_the_corpus_is_large() -> None:
    assert len(CORPUS) + len(TOLD_INSIDE) >= 250


def test_no_hostile_address_is_read_as_a_place_to_call(listener: Listener) -> None:
    read = []
    for url in CORPUS:
        try:
            read.append(read_url(url))
        except TargetInvalid:
            continue
    assert read == []
    assert listener.came == []


def test_what_slips_through_the_reading_is_stopped_at_the_connection(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts = [*(h for a in INSIDE_4 for h in notations(a)), *HOSTS_6, *NAMES, *UNICODE]
    for host in hosts:
        resolves_to(monkeypatch, ["127.0.0.1"])
        with pytest.raises(Unreachable):
            call(Target("https", host, 443, "/"))
    assert listener.came == []


@pytest.mark.parametrize("address", TOLD_INSIDE)
def test_a_name_that_leads_inside_is_not_called(
    listener: Listener, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    asked = resolves_to(monkeypatch, [address])
    with pytest.raises(Unreachable):
        call(read_url("https://api.example.com/"))
    assert (asked, listener.came) == (["api.example.com"], [])


def test_one_address_inside_among_public_ones_spoils_all(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    for told in ([PUBLIC, "10.0.0.1"], ["10.0.0.1", PUBLIC], [PUBLIC, "::1"], []):
        resolves_to(monkeypatch, told)
        with pytest.raises(Unreachable):
            call(read_url("https://api.example.com/"))
    assert listener.came == []


def test_a_name_is_asked_for_once_and_what_was_checked_is_what_is_dialled(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = resolves_to(monkeypatch, [PUBLIC], ["127.0.0.1"])
    with pytest.raises(Unreachable):  # the listener speaks no TLS
        call(read_url("https://api.example.com/"))
    assert (len(asked), listener.came) == (1, [(PUBLIC, 443)])
    with pytest.raises(Unreachable):  # rebound: a new connection is checked anew
        call(read_url("https://api.example.com/"))
    assert (len(asked), listener.came) == (2, [(PUBLIC, 443)])


def test_no_proxy_and_no_setting_of_the_environment_is_obeyed(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = f"http://127.0.0.1:{listener.port}"
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, proxy)
    resolves_to(monkeypatch, ["10.0.0.1"])
    with pytest.raises(Unreachable):
        call(read_url("https://api.example.com/"))
    assert listener.came == []


def test_public_addresses_are_public() -> None:
    for text in (PUBLIC, "8.8.8.8", "1.1.1.1", "2606:4700::1111", "2a00:1450:4001::200e"):
        assert addresses.is_public(ipaddress.ip_address(text))


def test_plain_addresses_are_read(settings: Any) -> None:
    settings.CONNECTORS_ALLOW_LOOPBACK = False
    settings.CONNECTORS_PORTS = [443, 8443]
    assert read_url("https://api.example.com/v2").url == "https://api.example.com/v2"
    assert read_url("https://api.example.com:8443").port == 8443
    assert read_url("https://xn--e1afmkfd.xn--p1ai/").host == "xn--e1afmkfd.xn--p1ai"
    assert read_url("https://a.b.example.com/x?y=z&a=%20").path == "/x?y=z&a=%20"
    assert below(read_url("https://api.example.com/v2/"), "/orders?x=1").path == "/v2/orders?x=1"


@pytest.mark.parametrize(
    "path", ["", "orders", "//x", "/a/../b", "/%2e%2e", "/a b", "/a#b", "/a\\b", "/a\r\nb", "/é"]
)
def test_a_path_stays_below_its_base(path: str) -> None:
    with pytest.raises(TargetInvalid):
        read_path(path)


def test_a_header_with_a_line_break_is_not_sent(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolves_to(monkeypatch, [PUBLIC])
    client = Transport(Limits(1.0, 2.0), 1)
    for bad in ("a\r\nX: y", "a\nb", "a\rb", "a\0b"):
        with pytest.raises(Unreachable):
            client.exchange("POST", read_url("https://api.example.com/"), {"X-Key": bad}, b"")
    with pytest.raises(Unreachable):
        client.exchange("POST", read_url("https://api.example.com/"), {"X\r\nY": "a"}, b"")
    client.close()
    assert listener.came == []
