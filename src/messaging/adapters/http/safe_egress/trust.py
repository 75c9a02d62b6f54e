"""Whose certificates are believed on connections to hosts that tenants name."""

import ssl
from functools import cache

import httpx


@cache
def trust(bundle: str | None = None) -> ssl.SSLContext:
    """TLS 1.2 and later, certificates checked: those of public authorities, of the machine's, and of `bundle`'s.

    `bundle` is the operator's file with certificates in PEM. It is read once: reading all takes tens of milliseconds.
    """
    context = httpx.create_ssl_context(trust_env=False)
    context.load_default_certs()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    if bundle is not None:
        context.load_verify_locations(cafile=bundle)
    return context
