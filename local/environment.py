"""The variables that the functions read, as a stack with the template's defaults sets them.

Whoever runs the functions outside of a stack starts from these, and names what differs.
`tests/template/test_parameters.py` compares them with the template.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from local.faults.services import IMAGE_READER, MACHINE, OPERATORS, RESULTS

RESOURCES: Mapping[str, str] = MappingProxyType(
    {
        "AWS_REGION": "us-east-1",
        "CLIPS_BUCKET": "clips",
        "IMAGE_READER_ROLE_ARN": IMAGE_READER,
        "INBOX_BUCKET": "inbox",
        "INGEST_QUEUE_URL": "https://queue/ingest",
        "LEDGER_TABLE": "ledger",
        "OPERATORS_TOPIC_ARN": OPERATORS,
        "PROVIDER_KEYS_SECRET": "keys",
        "RESULTS_TOPIC_ARN": RESULTS,
        "STATE_MACHINE_ARN": MACHINE,
        "THUMBNAIL_FUNCTION": "thumbnail",
        "OPERATOR_EMAIL_GIVEN": "true",
        "RESULTS_EMAIL_GIVEN": "true",
    }
)
PARAMETERS: Mapping[str, str] = MappingProxyType(
    {
        "ALLOW_PAID_CALLS": "true",
        "ALLOW_UNKNOWN_PRICES": "false",
        "CANCEL_STALLED_ORDERS": "false",
        "DAILY_CAP_USD": "25",
        "DIGEST_ABOVE": "10",
        "DIGEST_MINUTES": "10",
        "FAILOVER_PROVIDERS": "",
        "JOB_CAP_USD": "5",
        "JOB_DEADLINE_MINUTES": "60",
        "MAX_CLIP_MEGABYTES": "2048",
        "MAX_ORDERS_PER_JOB": "2",
        "MONTHLY_CAP_USD": "250",
        "PRICE_OVERRIDES": "{}",
        "PROVIDERS": "luma",
        "PROVIDER_LIMITS": "{}",
        "PROVIDER_OPTIONS": "{}",
        "SETTLE_SECONDS": "20",
        "SIDECAR_GRACE_SECONDS": "900",
        "TRUSTED_RESULT_ORIGINS": "",
        "UNPAID_WAIT_HOURS": "24",
        "WATCH_SECONDS": "40",
    }
)
ENVIRONMENT: Mapping[str, str] = MappingProxyType({**RESOURCES, **PARAMETERS})
