"""A short fuzzing of the server from its own OpenAPI description.

`Testing/benchmarks/service_fuzz.py` is the long one.
"""

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from service_host import TOKEN, Host

HEADERS = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture(scope="module")
def api(tmp_path_factory):
    host = Host(tmp_path_factory.mktemp("service"), max_jobs=4)
    yield schemathesis.openapi.from_url(f"{host.url}/v2/openapi.json", headers=HEADERS)
    host.stop()


@pytest.mark.parametrize("mode", schemathesis.GenerationMode)
def test_nothing_that_is_sent_is_a_fault_of_the_server(api, mode):
    operations = [found.ok() for found in api.get_all_operations()]
    if mode is schemathesis.GenerationMode.NEGATIVE:  # any text is a good id
        operations = [operation for operation in operations if operation.body]
    assert operations
    for operation in operations:

        @settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
        @given(operation.as_strategy(generation_mode=mode))
        def check(case):
            case.call_and_validate(checks=[not_a_server_error], headers=HEADERS, timeout=20)

        check()
