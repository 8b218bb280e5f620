from __future__ import annotations

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from target_sendgrid.settings.schema import CONFIG_SCHEMA
from target_sendgrid.start.quick_check import surely_fits
from target_sendgrid.target import TargetSendGrid

WHOLE_SCHEMA = copy.deepcopy(CONFIG_SCHEMA)
TargetSendGrid.append_builtin_config(WHOLE_SCHEMA)
WHOLE_SCHEMA["properties"]["stream_maps"] = {"type": ["object", "null"]}  # the SDK's is not valid


FITTING = st.sampled_from([None, True, 0, 1, 1.0, -1, 0.5, 10**9, "", "eu", "omit", "a", [], ["a"]])
FITTING_OBJECTS = st.recursive(
    FITTING,
    lambda inner: st.dictionaries(
        st.sampled_from(["a", "property", "type", "list_id", "enabled", "field_mapping"]), inner, max_size=3
    ),
    max_leaves=5,
)


@given(
    st.dictionaries(st.sampled_from([*WHOLE_SCHEMA["properties"], "unknown"]), FITTING_OBJECTS, max_size=4),
    st.sampled_from([CONFIG_SCHEMA, WHOLE_SCHEMA]),
)
def test_what_a_quick_check_accepts_fits_the_schema(config: dict[str, Any], schema: dict[str, Any]) -> None:
    assert not surely_fits(config, schema) or Draft202012Validator(schema).is_valid(config)


def test_a_quick_check_accepts_an_ordinary_config() -> None:
    config = {
        "api_key": "SG.a", "list_name": "a", "profile_cap": 0, "create_list": None, "null_handling": "clear",
        "max_rejected_percent": 0.5, "field_mapping": {"email": "mail", "ltv": {"property": "ltv", "type": "Number"}},
        "streams": {"people": {"list_id": None, "enabled": False}}, "flattening_enabled": False,
    }  # fmt: skip
    assert surely_fits(config, WHOLE_SCHEMA)
