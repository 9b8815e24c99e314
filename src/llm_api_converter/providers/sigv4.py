"""AWS Signature Version 4: a request and keys -> the headers that sign it.

Pure but for a small memory: the signing key of a (secret, day, region, service) and the canonical form of a URL are kept, so that a
signature costs microseconds. Only headers that reach AWS unchanged are signed: `content-type`, `host` and the `x-amz*` ones. Source:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html and botocore/auth.py 1.44.5 (November 2026);
tests compare signatures with botocore's.
"""

from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from hmac import digest
from time import gmtime, strftime
from urllib.parse import quote, urlsplit

from msgspec import Struct

_PORTS = {"http": 80, "https": 443}


class AwsKeys(Struct, frozen=True):
    """Credentials of one moment. `token` ("" for none) belongs to temporary ones. `repr` shows no secret."""

    access_key_id: str
    secret_access_key: str
    token: str = ""

    def __repr__(self) -> str:
        return f"AwsKeys({self.access_key_id!r})"


def sign(
    keys: AwsKeys, method: str, url: str, body: bytes, headers: Mapping[str, str], *, region: str, service: str, now_s: float
) -> dict[str, str]:
    """The headers to add: `x-amz-date`, `authorization`, and `x-amz-security-token` for temporary keys.

    `headers` have lower-case names. `url` is sent exactly as it stands: its path is percent-encoded already, and encoded once more for
    the signature, as every service but S3 wants it. The `host` header that every HTTP client writes itself (lower case, without a
    default port) is signed with it. `now_s` is the time since the epoch.
    """
    host, path, query = _canonical(url)
    stamp = strftime("%Y%m%dT%H%M%SZ", gmtime(now_s))
    added = {"x-amz-date": stamp}
    if keys.token:
        added["x-amz-security-token"] = keys.token
    signed = {name: value for name, value in headers.items() if name == "content-type" or name.startswith("x-amz")}
    signed.update(added, host=host)
    names = sorted(signed)
    lines = "".join([f"{name}:{' '.join(signed[name].split())}\n" for name in names])
    listed = ";".join(names)
    asked = f"{method}\n{path}\n{query}\n{lines}\n{listed}\n{sha256(body).hexdigest()}"
    scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{sha256(asked.encode()).hexdigest()}"
    signature = digest(_signing_key(keys.secret_access_key, stamp[:8], region, service), text.encode(), "sha256").hex()
    added["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={keys.access_key_id}/{scope}, SignedHeaders={listed}, Signature={signature}"
    )
    return added


@lru_cache(maxsize=64)
def _signing_key(secret: str, day: str, region: str, service: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (day, region, service, "aws4_request"):
        key = digest(key, part.encode(), "sha256")
    return key


@lru_cache(maxsize=1024)
def _canonical(url: str) -> tuple[str, str, str]:
    """Host header, canonical path, canonical query of a URL."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if ":" in host:
        host = f"[{host}]"
    if parts.port is not None and parts.port != _PORTS.get(parts.scheme):
        host = f"{host}:{parts.port}"
    pairs = sorted((key, value) for key, _, value in (pair.partition("=") for pair in parts.query.split("&"))) if parts.query else ()
    return host, quote(_without_dots(parts.path), safe="/~"), "&".join(f"{key}={value}" for key, value in pairs)


def _without_dots(path: str) -> str:
    """Dot segments and empty segments taken out."""
    kept: list[str] = []
    for piece in path.split("/"):
        if piece == "..":
            del kept[-1:]
        elif piece not in ("", "."):
            kept.append(piece)
    return "/" + "/".join(kept) + ("/" if kept and path.endswith("/") else "")
