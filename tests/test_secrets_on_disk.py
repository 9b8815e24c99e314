"""Keys the gateway makes for itself."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from llm_api_converter.config import Config, ConfigError
from llm_api_converter.secrets_on_disk import ensure_master_key, ensure_seal_keys


def config(folder: Path, **env: str) -> Config:
    return Config.load(None, {"DATA_DIR": str(folder / "data"), **env}, folder)


def test_the_master_key_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    key, file = ensure_master_key(config(tmp_path))
    assert file == tmp_path / "data" / "master.key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert key.startswith("sk-")
    assert len(key) == 46
    assert ensure_master_key(config(tmp_path)) == (key, file)
    assert [p.name for p in file.parent.iterdir()] == ["master.key"]


def test_a_master_key_of_the_settings_needs_no_file(tmp_path: Path) -> None:
    assert ensure_master_key(config(tmp_path, MASTER_API_KEY="mine")) == ("mine", None)
    assert not (tmp_path / "data").exists()


def test_seal_keys(tmp_path: Path) -> None:
    (key,) = ensure_seal_keys(config(tmp_path))
    assert stat.S_IMODE((tmp_path / "data" / "seal.keys.json").stat().st_mode) == 0o600
    assert len(key.secret) == 43
    assert ensure_seal_keys(config(tmp_path)) == (key,)
    assert key.secret.decode() not in repr(key)
    given = ensure_seal_keys(config(tmp_path, SEAL_KEYS="n:0123456789abcdef,o:fedcba9876543210"))
    assert [(k.id, k.secret) for k in given] == [("n", b"0123456789abcdef"), ("o", b"fedcba9876543210")]


def test_processes_that_start_at_once_get_one_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: ensure_master_key(config(tmp_path))[0], range(16)))
    assert len(keys) == 1


@pytest.mark.parametrize("text", ["", "{}", '{"keys": []}', '{"keys": [{"id": "", "secret": "x"}]}', "[1]"])
def test_a_broken_file_is_refused_and_kept(tmp_path: Path, text: str) -> None:
    (tmp_path / "data").mkdir()
    for name, ensure in (("seal.keys.json", ensure_seal_keys), ("master.key", ensure_master_key)):
        file = tmp_path / "data" / name
        file.write_text(text[:12])
        with pytest.raises(ConfigError, match=re_escape(name)):
            ensure(config(tmp_path))
        assert file.read_text() == text[:12]


def re_escape(name: str) -> str:
    return name.replace(".", r"\.")


def test_a_folder_that_cannot_be_made_is_a_settings_error(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    with pytest.raises(ConfigError, match="set data_dir to a folder"):
        ensure_master_key(config(tmp_path))
