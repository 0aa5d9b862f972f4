from contracts.client_suite import client_suite
from contracts.gateways import KLING
from tests.contracts.plain_client import PlainClient
test_plain_client = client_suite(PlainClient())
test_plain_client_at_kling = client_suite(PlainClient(), gateway=KLING)
