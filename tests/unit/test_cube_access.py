"""Where rasters are read from: URLs, prefixes, and credentials that are given at opening and never shown."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from pydantic import SecretStr

from dataflows.cubes.rasters.access import Access, S3Access, absolute, container_prefix
from dataflows.cubes.references.scenes import SceneAsset
from dataflows.cubes.references.sources import reachable_prefixes
from db.errors import SourceError
from db.settings import Settings


@pytest.mark.parametrize(
    ("href", "url"),
    [
        ("/a/b.tif", "file:///a/b.tif"),
        ("/a b/c#1 100%.tif", "file:///a%20b/c%231%20100%25.tif"),
        ("file:///a/b.tif", "file:///a/b.tif"),
        ("https://host/a%20b.tif", "https://host/a%20b.tif"),
        ("https://host:8080/a b.tif", "https://host:8080/a%20b.tif"),
        ("s3://bucket/key with space.tif", "s3://bucket/key%20with%20space.tif"),
    ],
)
def test_absolute_urls(href, url):
    assert absolute(href) == url
    assert absolute(url) == url


def test_a_relative_path_is_below_the_working_folder():
    assert absolute("a.tif") == (Path.cwd() / "a.tif").as_uri()


def test_a_signed_url_is_refused_and_its_signature_is_not_repeated():
    with pytest.raises(SourceError) as raised:
        absolute("https://host/a.tif?sig=hunter2&se=2026")
    assert "hunter2" not in str(raised.value)
    with pytest.raises(SourceError, match="ftp"):
        absolute("ftp://host/a.tif")


@pytest.mark.parametrize(
    ("href", "prefix"),
    [
        ("/a/b/c.tif", "file:///a/b/"),
        ("/a/b c/d/e.tif", "file:///a/"),
        ("https://host:1/a/b.tif", "https://host:1/"),
        ("s3://bucket/a/b.tif", "s3://bucket/"),
    ],
)
def test_prefixes_that_icechunk_may_read(href, prefix):
    assert container_prefix(href) == prefix


def test_a_collection_of_many_folders_has_one_prefix():
    hrefs = [f"/mirror/s2/item-{number}/B04.tif" for number in range(100)] + ["s3://bucket/a.tif", "s3://bucket/b/c.tif"]
    scenes = [SceneAsset("s2", "i", "red", href, None) for href in hrefs]
    assert reachable_prefixes(scenes) == ["file:///mirror/s2/", "s3://bucket/"]
    apart = [SceneAsset("s2", "i", "red", href, None) for href in ("/data/a/b.tif", "/mnt/c.tif")]
    assert reachable_prefixes(apart) == ["file:///data/", "file:///mnt/"]


def test_the_longest_prefix_says_how_a_bucket_is_reached():
    whole, part = S3Access("eu-west-1"), S3Access("us-east-1")
    access = Access({"s3://bucket/": whole, "s3://bucket/part/": part})
    assert access.s3_access("s3://bucket/part/a.tif") == part
    assert access.s3_access("s3://bucket/particle/a.tif") == whole
    assert access.s3_access("s3://bucket-other/a.tif") == S3Access()
    assert S3Access().static_credentials() is None


def test_secrets_are_in_no_text():
    lake = Settings(
        data_path="s3://bucket/lake/",
        s3_endpoint="http://127.0.0.1:1",
        s3_access_key_id=SecretStr("AKIDHUNTER"),
        s3_secret_access_key=SecretStr("hunter2"),
        _env_file=None,
    )
    access = Access.of(lake)
    container = access.container("s3://bucket/")
    assert access.s3_access("s3://bucket/a.tif").static_credentials() == ("AKIDHUNTER", "hunter2")
    for shown in (repr(access), str(access), repr(container)):
        assert "hunter" not in shown.lower()
    assert "127.0.0.1:1" in repr(container)


def test_access_goes_to_other_processes():
    access = Access({"s3://bucket/": S3Access(secret_access_key=SecretStr("x"))})
    assert pickle.loads(pickle.dumps(access)) == access


@pytest.mark.parametrize(
    ("given", "root"),
    [
        ({}, "/home/icechunk"),
        ({"data_path": "s3://bucket/lake/"}, "s3://bucket/lake/icechunk"),
        ({"data_path": "s3://bucket/lake"}, "s3://bucket/lake/icechunk"),
        ({"data_path": "/data/lake/"}, "/home/icechunk"),
    ],
)
def test_where_repositories_go(given, root):
    assert Settings(home=Path("/home"), _env_file=None, **given).icechunk_root == root
