"""What a later template must not do to a stack that is deployed already."""

from __future__ import annotations

from dropreel.ledger.jobs import NEWEST_INDEX, UNSETTLED_INDEX
from tests.support.stack import Document

# Of the newest release: CloudFormation adds or removes one index of a table in one update.
RELEASED = {UNSETTLED_INDEX, NEWEST_INDEX}
# CloudFormation writes the secret again when this changes, over the keys that were entered.
FROZEN = '{"eachlabs": "", "oxen": "", "fal": "", "luma": ""}'


def test_no_update_overwrites_the_keys_of_the_providers(template: Document) -> None:
    secret = template["Resources"]["ProviderKeysSecret"]["Properties"]
    assert secret["SecretString"] == FROZEN
    assert "GenerateSecretString" not in secret


def test_an_update_adds_or_removes_one_index_at_most(template: Document) -> None:
    table = template["Resources"]["LedgerTable"]["Properties"]
    indexes = {index["IndexName"] for index in table["GlobalSecondaryIndexes"]}
    assert len(indexes ^ RELEASED) <= 1


def test_no_function_has_versions_that_keep_old_caps(template: Document) -> None:
    """A job in line must see the cap, the pause and the key of now."""
    functions = [
        resource["Properties"]
        for resource in template["Resources"].values()
        if resource["Type"] == "AWS::Serverless::Function"
    ]
    assert [one for one in functions if "AutoPublishAlias" in one] == []
