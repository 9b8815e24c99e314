"""Secrets the gateway makes for itself at its first start and keeps in `data_dir`: the master key, the
admin key and the keys of sealed state.

Files are made with mode 0600, whole or not at all (written beside and linked into place), and never overwritten: of several processes
that start at once, all end up with the key of the one that was first.
"""

import json
import os
import secrets
from pathlib import Path
from typing import Any

from .config import Config, ConfigError
from .hub.seal import SealKey

MASTER_FILE = "master.key"
ADMIN_FILE = "admin.key"
SEAL_FILE = "seal.keys.json"


def ensure_master_key(config: Config) -> tuple[str, Path | None]:
    """The master key, and the file it is kept in (None when the settings give it). Makes the file when there is none."""
    if config.auth.master_api_key is not None:
        return config.auth.master_api_key.get_secret_value(), None
    return _key_in(Path(config.data_dir) / MASTER_FILE, "sk-", "MASTER_API_KEY")


def ensure_admin_key(config: Config) -> tuple[str, Path | None]:
    """The key of the admin API, and the file it is kept in (None when the settings give it). Makes the file when there is none."""
    if config.admin.api_key is not None:
        return config.admin.api_key.get_secret_value(), None
    return _key_in(Path(config.data_dir) / ADMIN_FILE, "admin-", "ADMIN_API_KEY")


def _key_in(file: Path, prefix: str, variable: str) -> tuple[str, Path]:
    key = _once(file, prefix + secrets.token_urlsafe(32) + "\n").strip()
    if len(key) < 16:
        raise ConfigError((f"{file}: holds no key; delete the file to have one made, or set {variable}",))
    return key, file


def ensure_seal_keys(config: Config) -> tuple[SealKey, ...]:
    """The keys of sealed state, newest first: those of the settings, else those of `data_dir`, made when there are none."""
    if config.seal.keys:
        return tuple(SealKey(key.id, key.secret.get_secret_value().encode()) for key in config.seal.keys)
    file = Path(config.data_dir) / SEAL_FILE
    made = {"keys": [{"id": secrets.token_hex(4), "secret": secrets.token_urlsafe(32)}]}
    try:
        stored: Any = json.loads(_once(file, json.dumps(made) + "\n"))
        keys = tuple(SealKey(str(key["id"]), str(key["secret"]).encode()) for key in stored["keys"])
    except (ValueError, TypeError, KeyError) as error:
        raise ConfigError((f"{file}: is not a list of keys; delete the file to have one made",)) from error
    if not keys or not all(key.id and key.secret for key in keys):
        raise ConfigError((f"{file}: holds no keys; delete the file to have one made",))
    return keys


def _once(file: Path, text: str) -> str:
    """The file's text; `text` is written to it first when it does not exist. Safe among processes that do this at once."""
    try:
        if not file.exists():
            _create(file, text)
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError((f"{file}: cannot be read or made ({error.strerror}); set data_dir to a folder that can be written",)) from error


def _create(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_name(f".{file.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as out:
            out.write(text)
        os.link(beside, file)
    except FileExistsError:
        pass  # another process was first: its key counts
    finally:
        beside.unlink()
