"""Fixtures of the unit tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit import s3_server


@pytest.fixture(scope="module")
def s3() -> Iterator[s3_server.Bucket]:
    """A bucket on an S3 server of this module's own."""
    with pytest.MonkeyPatch.context() as patch, s3_server.served(patch) as bucket:
        yield bucket
