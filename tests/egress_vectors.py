"""Hosts and URLs by which a tenant could have the platform reach what is not public, by class.

The numbers are those of the classes in the list that the tests were made from; a class has three members or more where
there are so many.
"""

from typing import Final

# Addresses that must never be connected to, as texts.
INSIDE_4: Final = {
    "1 this network": "0.0.0.0 0.0.0.1 0.255.255.255",
    "2 private 10": "10.0.0.0 10.0.0.1 10.255.255.255",
    "3 shared": "100.64.0.1 100.96.0.1 100.127.255.255",
    "4 metadata in shared": "100.100.100.200",
    "5 loopback": "127.0.0.1 127.0.1.1 127.255.255.254",
    "6 metadata in public": "168.63.129.16",
    "7 metadata": "169.254.169.254 169.254.169.253 169.254.170.2",
    "8 link-local": "169.254.0.1 169.254.255.255",
    "9 private 172": "172.16.0.0 172.16.0.1 172.24.1.1 172.31.255.255",
    "10 protocols": "192.0.0.1 192.0.0.170 192.0.0.192",
    "11 documentation": "192.0.2.1 198.51.100.1 203.0.113.255",
    "12 relays of 6to4": "192.88.99.0 192.88.99.1 192.88.99.255",
    "13 private 192": "192.168.0.1 192.168.1.254 192.168.255.255",
    "14 benchmarks": "198.18.0.0 198.18.0.1 198.19.255.255",
    "15 multicast": "224.0.0.1 224.0.0.251 239.255.255.255",
    "16 reserved": "240.0.0.1 250.1.2.3 255.255.255.254",
    "17 broadcast": "255.255.255.255",
    "- special registries": "192.31.196.1 192.52.193.1 192.175.48.1",
}
INSIDE_6: Final = {
    "20 unspecified": "::",
    "21 loopback": "::1 0:0:0:0:0:0:0:1",
    "22 mapped loopback": "::ffff:127.0.0.1 ::ffff:127.1.2.3",
    "23 mapped in hex": "::ffff:7f00:1 ::ffff:7f00:0001 0:0:0:0:0:ffff:7f00:1",
    "24 mapped metadata": "::ffff:169.254.169.254 ::ffff:a9fe:a9fe ::ffff:100.100.100.200 ::ffff:a83f:8110",
    "25 SIIT": "::ffff:0:127.0.0.1 ::ffff:0:7f00:1 ::ffff:0:10.0.0.1",
    "26 compatible": "::127.0.0.1 ::7f00:1 ::10.0.0.1 ::8.8.8.8",
    "27 NAT64": "64:ff9b::7f00:1 64:ff9b::10.0.0.1 64:ff9b::169.254.169.254 64:ff9b::8.8.8.8",
    "28 NAT64 local": "64:ff9b:1::1 64:ff9b:1::7f00:1 64:ff9b:1:ffff::10.0.0.1",
    "29 6to4": "2002:7f00:1:: 2002:a00:1:: 2002:a9fe:a9fe:: 2002:808:808::",
    "30 Teredo": "2001::1 2001:0:4136:e378:8000:63bf:80ff:fffe 2001:0:7f00:1::",
    "31 ORCHID": "2001:10::1 2001:20::1 2001:2f:ffff::1 2001:2::1 2001:1ff::1",
    "32 documentation": "2001:db8::1 2001:db8:ffff::1 2001:0db8:85a3::8a2e:370:7334",
    "33 documentation 3fff": "3fff::1 3fff:fff::1 3fff:fff:ffff::1",
    "34 segment routing": "5f00::1 5f00:ffff::1",
    "35 unique local": "fc00::1 fd00::1 fd00:ec2::254 fd20:ce::254 fdff:ffff::1",
    "36 link-local": "fe80::1 fe80::a9fe:a9fe febf:ffff::1",
    "37 with a zone": "fe80::1%eth0 fe80::1%1 ::1%lo 2606:4700::1111%eth0",
    "38 site-local": "fec0::1 fec0:0:0:ffff::1 feff::1",
    "39 multicast": "ff00::1 ff02::1 ff05::2 ff0e::1",
    "40 discard": "100::1 100:0:0:1::1 100::ffff",
    "41 unallocated": "4000::1 8000::1 e000::1 1::1 200::1",
    "42 other spellings": "0000:0000:0000:0000:0000:0000:0000:0001"
    " ::FFFF:7F00:1 FE80:0:0:0:0:0:0:1 Fd00::1 0::ffff:127.0.0.1",
    "- AS112": "2620:4f:8000::1 2620:4f:8000:ffff::1",
}
OUTSIDE: Final = (
    "1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.1 168.63.129.15"
    " 169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 192.0.1.1 192.167.255.255 192.169.0.0 198.17.255.255"
    " 198.20.0.0 223.255.255.255 2606:4700::1111 2a00:1450:4001::1 2001:200::1 2001:4860:4860::8888 2003::1"
    " 2620:4f:7fff::1 3ffe::1 ::ffff:8.8.8.8 ::ffff:101:101"
)

# Hosts as a URL may spell them, all meant for this machine or none at all.
SPELLINGS: Final = {
    "43 one decimal number": "2130706433 3232235777 0",
    "44 hexadecimal": "0x7f000001 0x7f.0.0.1 0x7f.1 0X7F000001 0x0 127.0.0.0x1",
    "45 octal": "0177.0.0.1 017700000001 0177.1",
    "46 short": "127.1 127.0.1 0.0 10.1",
    "47 leading zeros": "127.00.0.01 0127.0.0.1 127.0.0.001",
    "48 a dot at the end": "127.0.0.1. localhost. 127.0.0.1..",
    "49 other digits and dots": "127。0。0。1 １２７.0.0.1 ①②⑦.⓪.⓪.① 127．0．0．1 127｡0｡0｡1",
    "50 letters that look alike": "lοcalhost loc\u00adalhost ⓛocalhost ﬀ.localhost",
    "51 percent-encoded": "%31%32%37.0.0.1 localhost%00.example.com 127.0.0.1%2f %6cocalhost"
    " [::1%25lo] [fe80::1%25eth0]",
    "56 no names": "..localhost localhost..com .localhost -a.example.com a-.example.com"
    f" {'a' * 64}.example.com {'a.' * 127}aaa",
    "62 brackets": "[::1 ::1] [::1]] [[::1]] [127.0.0.1] [localhost] []",
    "- too much or too little": "256.256.256.256 1.2.3.4.5 1.2.3 999.1",
}
# Whole URLs; `PORT` is the canary's.
URLS: Final = {
    "57 a login": [
        "http://public.example@127.0.0.1:PORT/",
        "http://127.0.0.1:PORT@public.example/",
        "http://user:secret@public.example:PORT/",
        "http://127.0.0.1:PORT#@public.example/",
        "http://public.example:80@127.0.0.1:PORT/",
        "http://@127.0.0.1:PORT/",
    ],
    "58 characters that end or hide": [
        "http://127.0.0.1:PORT\\@public.example/",
        "http:\\\\127.0.0.1:PORT/",
        "http://127.0.0.1\t:PORT/",
        "http://127.0.0.1:PORT/\r\nhost: inside",
        "http://127.0.0.1\r\n:PORT/",
        "http://127.0.0.1:PORT/\x00",
        " http://127.0.0.1:PORT/",
        "http://127.0.0.1:PORT/ ",
        "http://127.0.0.1 :PORT/",
        "http://public.example\u2028@127.0.0.1:PORT/",
    ],
    "59 other schemes": [
        "file:///etc/passwd",
        "gopher://127.0.0.1:PORT/_GET",
        "ftp://127.0.0.1:PORT/",
        "ws://127.0.0.1:PORT/",
        "unix:///var/run/docker.sock",
        "http+unix://%2Fvar%2Frun%2Fdocker.sock/",
        "data:text/plain,hello",
        "javascript:alert(1)",
        "dict://127.0.0.1:PORT/",
        "ldap://127.0.0.1:PORT/",
    ],
    "60 missing or crooked slashes": [
        "HTTP:127.0.0.1:PORT",
        "http:/127.0.0.1:PORT/",
        "//127.0.0.1:PORT/",
        "127.0.0.1:PORT",
        "/hooks",
        "",
        "http://",
        "http:///127.0.0.1:PORT/",
        "http:127.0.0.1:PORT/",
        "hTTp://localhost:PORT/",
    ],
    "61 ports": [
        *(f"http://127.0.0.1:{port}/" for port in (0, 1, 22, 25, 1023, 5432, 6379, 8500, 9200, 10250, 65_536)),
        "https://127.0.0.1:80/",
        "http://127.0.0.1:080/",
        "http://127.0.0.1:/",
        "http://127.0.0.1:-1/",
        "http://127.0.0.1:1e3/",
        "http://127.0.0.1:8080:PORT/",
        "http://127.0.0.1:99999999999/",
    ],
    "62 tricks of reading": [
        "http://127.0.0.1:PORT;public.example/",
        "http://public.example;@127.0.0.1:PORT/",
        "http://a@b@127.0.0.1:PORT/",
        "http://127.0.0.1:PORT?@public.example/",
        "http://127.0.0.1:PORT/#fragment",
        "http://public.example,127.0.0.1:PORT/",
        "http://{127.0.0.1}:PORT/",
        "http://$127.0.0.1:PORT/",
    ],
}
# Names that lead inside, whoever answers for them.
NAMES_INSIDE: Final = {
    "52 this machine": "localhost LOCALHOST foo.localhost ip6-localhost localhost.localdomain",
    "53 single labels": "redis postgres metadata intranet",
    "54 names of inner networks": "db.internal printer.local api.default.svc.cluster.local kubernetes.default.svc"
    " metadata.google.internal",
    "55 names that hold their address": "127.0.0.1.nip.io 10-0-0-1.sslip.io localtest.me"
    " customer1.app.localhost.my.company.127.0.0.1.nip.io",
}


def members(classes: dict[str, str]) -> list[tuple[str, str]]:
    """Every member with its class."""
    return [(name, member) for name, texts in classes.items() for member in texts.split()]


def urls() -> list[tuple[str, str]]:
    return [(name, url) for name, given in URLS.items() for url in given]
