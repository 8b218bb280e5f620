"""A run of the tests says whether our contract is held against SendGrid's own descriptions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.contract import vendor

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def complete(tmp_path: Path) -> Path:
    for name in vendor.FILES:
        (tmp_path / name).touch()
    return tmp_path


def test_the_folder_is_named_where_the_descriptions_are(monkeypatch: pytest.MonkeyPatch, complete: Path) -> None:
    expected = f"SendGrid's API descriptions: {complete} (contract held against them)"
    monkeypatch.setenv("SENDGRID_OPENAPI", str(complete))
    assert vendor.report_header() == expected
    monkeypatch.delenv("SENDGRID_OPENAPI")
    monkeypatch.setattr(vendor, "BESIDE_THE_CHECKOUT", (complete / "none", complete))
    assert vendor.report_header() == expected


def test_their_absence_is_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SENDGRID_OPENAPI", raising=False)
    monkeypatch.setattr(vendor, "BESIDE_THE_CHECKOUT", (tmp_path,))
    assert vendor.folder() is None
    assert vendor.report_header().startswith("SendGrid's API descriptions: not found, so our contract is not held")


def test_a_named_folder_must_have_them(monkeypatch: pytest.MonkeyPatch, complete: Path) -> None:
    monkeypatch.setenv("SENDGRID_OPENAPI", str(complete))
    (complete / vendor.FILES[0]).unlink()
    with pytest.raises(pytest.UsageError, match=f"lacks {vendor.FILES[0]}"):
        vendor.report_header()
