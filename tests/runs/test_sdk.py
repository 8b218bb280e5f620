"""The SDK's standard target tests, listed one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from singer_sdk.testing import get_target_test_class
from singer_sdk.testing import target_tests as templates
from singer_sdk.testing.suites import SingerTestSuite, target_tests

from target_sendgrid.sandbox.server import SandboxServer
from target_sendgrid.target import TargetSendGrid
from tests.harness.runs import QUICK

if TYPE_CHECKING:
    from collections.abc import Iterator

    from singer_sdk.testing.templates import TargetTestTemplate

INCLUDED = [
    templates.TargetArrayData,
    templates.TargetCamelcaseComplexSchema,
    templates.TargetCamelcaseTest,
    templates.TargetCliPrintsTest,
    templates.TargetDuplicateRecords,
    templates.TargetEncodedStringData,
    templates.TargetInvalidSchemaTest,
    templates.TargetNoPrimaryKeys,
    templates.TargetOptionalAttributes,
    templates.TargetPrimaryKeyUpdates,
    templates.TargetRecordMissingOptionalFields,
    templates.TargetSchemaNoProperties,
    templates.TargetSchemaUpdates,
    templates.TargetSpecialCharsInAttributes,
]

EXCLUDED: dict[type[TargetTestTemplate], str] = {
    templates.TargetRecordBeforeSchemaTest: (
        "expects the SDK's own exception class; the transcript a_record_before_its_schema_ends_the_run shows our error"
    ),
    templates.TargetRecordMissingKeyProperty: (
        "expects the run to fail; our target rejects one record, as the transcript"
        " records_that_break_their_schema_cost_themselves shows"
    ),
}

# Streams of the suite have no email: this property identifies the people of each.
_IDENTIFIERS = {
    "test_array_data": "id",
    "ForecastingTypeToCategory": "Id",
    "TestCamelcase": "Id",
    "test_duplicate_records": "id",
    "test_strings": "id",
    "test_strings_in_objects": "id",
    "test_strings_in_arrays": "id",
    "test_no_pk": "id",
    "test_optional_attributes": "id",
    "record_missing_fields": "id",
    "test_object_schema_with_properties": "object_store.id",
    "test_object_schema_no_properties": "object_store.id",
    "test_schema_updates": "id",
    "test:SpecialChars!in?attributes": "_id",
}


class _TargetOfTheSuite(TargetSendGrid):
    """The target with the settings of the suite's sandbox. The SDK's runner does not close targets; the suite does."""

    sandbox: ClassVar[SandboxServer]
    created: ClassVar[list[TargetSendGrid]] = []

    def __init__(self, **options: Any) -> None:
        options["config"] = {
            "api_url": self.sandbox.url,
            "api_key": self.sandbox.api_key,
            "list_name": "Everybody",
            "streams": {
                name: {"field_mapping": {"external_id": identifier}} for name, identifier in _IDENTIFIERS.items()
            },
        }
        super().__init__(**options)
        self.created.append(self)


class TestStandardSuite(
    get_target_test_class(  # type: ignore[misc]  # a class created at run time
        _TargetOfTheSuite,
        config={},
        custom_suites=[SingerTestSuite("target", INCLUDED)],
        include_target_tests=False,
        parse_env_config=False,
    )
):
    """The SDK's standard tests, against a sandbox."""

    @pytest.fixture
    def resource(self) -> Iterator[None]:
        with SandboxServer(options=QUICK) as sandbox:
            _TargetOfTheSuite.sandbox = sandbox
            yield
            while _TargetOfTheSuite.created:
                _TargetOfTheSuite.created.pop().conclude(None)


def test_every_standard_test_is_included_or_excluded_with_a_reason() -> None:
    assert set(target_tests.tests) == set(INCLUDED) | set(EXCLUDED)
    assert not set(INCLUDED) & set(EXCLUDED)
