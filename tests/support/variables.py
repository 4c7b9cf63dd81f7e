"""The variables of each function, as its settings read them."""

SUBMIT = {
    "INBOX_BUCKET": "inbox",
    "CLIPS_BUCKET": "clips",
    "LEDGER_TABLE": "ledger",
    "INGEST_QUEUE_URL": "https://sqs.example/ingest",
    "DIGEST_ABOVE": "10",
    "DIGEST_MINUTES": "10",
    "THUMBNAIL_FUNCTION": "thumbnail",
    "RESULTS_TOPIC_ARN": "arn:results",
    "STATE_MACHINE_ARN": "arn:render",
    "PROVIDERS": "luma,fal",
    "SIDECAR_GRACE_SECONDS": "900",
    "SETTLE_SECONDS": "20",
    "PRICE_OVERRIDES": "{}",
    "LINK_DAYS": "7",
    "PAGES_URL": "https://pages.example",
    "PAGE_KEY_SECRET": "arn:page-key",
}


FINALIZE = {
    "CLIPS_BUCKET": "clips",
    "LEDGER_TABLE": "ledger",
    "RESULTS_TOPIC_ARN": "arn:results",
    "OPERATORS_TOPIC_ARN": "arn:operators",
    "INGEST_QUEUE_URL": "https://sqs.example/ingest",
    "DIGEST_ABOVE": "0",
    "DIGEST_MINUTES": "14",
    "TRUSTED_RESULT_ORIGINS": "",
    "MAX_CLIP_MEGABYTES": "2048",
    "LINK_DAYS": "7",
    "PAGES_URL": "https://pages.example",
    "PAGE_KEY_SECRET": "arn:page-key",
}


GENERATE = {
    "CLIPS_BUCKET": "clips",
    "LEDGER_TABLE": "ledger",
    "PROVIDER_KEYS_SECRET": "arn:keys",
    "PROVIDER_OPTIONS": '{"luma": {"base_url": "http://127.0.0.1:1"}}',
    "OPERATORS_TOPIC_ARN": "arn:operators",
    "PROVIDER_LIMITS": "{}",
    "WATCH_SECONDS": "40",
    "UNPAID_WAIT_HOURS": "24",
    "JOB_DEADLINE_MINUTES": "60",
    "IMAGE_READER_ROLE_ARN": "arn:aws:iam::123456789012:role/image-reader",
    "ALLOW_PAID_CALLS": "true",
    "ALLOW_UNKNOWN_PRICES": "false",
    "PRICE_OVERRIDES": '{"luma": {"5s": {"540p": 0.1}}}',
    "JOB_CAP_USD": "5",
    "DAILY_CAP_USD": "25",
    "MONTHLY_CAP_USD": "250.50",
    "OVER_DAILY_CAP": "wait",
    "RESULTS_TOPIC_ARN": "arn:results",
    "INGEST_QUEUE_URL": "https://queue",
    "DIGEST_ABOVE": "10",
    "DIGEST_MINUTES": "10",
    "FAILOVER_PROVIDERS": "fal,oxen",
}


POLL = {
    "CLIPS_BUCKET": "clips",
    "LEDGER_TABLE": "ledger",
    "PROVIDER_KEYS_SECRET": "arn:keys",
    "PROVIDER_OPTIONS": "{}",
    "PROVIDER_LIMITS": "{}",
    "WATCH_SECONDS": "40",
    "UNPAID_WAIT_HOURS": "24",
    "JOB_DEADLINE_MINUTES": "60",
    "MAX_ORDERS_PER_JOB": "2",
}


WAIT = {
    "LEDGER_TABLE": "ledger",
    "JOB_DEADLINE_MINUTES": "60",
    "PROVIDER_LIMITS": '{"fal": {"jobs": 2}}',
}


SWEEP = {
    "CLIPS_BUCKET": "clips",
    "LEDGER_TABLE": "ledger",
    "PROVIDER_KEYS_SECRET": "arn:keys",
    "PROVIDER_OPTIONS": "{}",
    "STATE_MACHINE_ARN": "arn:render",
    "PROVIDER_LIMITS": "{}",
    "JOB_DEADLINE_MINUTES": "60",
    "CANCEL_STALLED_ORDERS": "false",
    "INBOX_BUCKET": "inbox",
    "INGEST_QUEUE_URL": "https://sqs.example/ingest",
    "RESULTS_EMAIL_GIVEN": "true",
    "OPERATOR_EMAIL_GIVEN": "false",
    "RESULTS_TOPIC_ARN": "arn:results",
    "OPERATORS_TOPIC_ARN": "arn:operators",
    "JOB_CAP_USD": "5",
    "DAILY_CAP_USD": "25",
    "MONTHLY_CAP_USD": "250",
}


THUMBNAIL = {"CLIPS_BUCKET": "clips"}


WIDGET = {"CLIPS_BUCKET": "clips", "LEDGER_TABLE": "ledger", "STATE_MACHINE_ARN": "arn:render"}


VIEW = {"CLIPS_BUCKET": "clips", "LEDGER_TABLE": "ledger", "PAGE_KEY_SECRET": "arn:page-key"}
