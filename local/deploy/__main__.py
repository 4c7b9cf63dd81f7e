"""`make deploy`, `make set` and `make destroy`. What is asked comes in environment variables.

python -m local.deploy              STACK REGION PARAMS
python -m local.deploy --set        STACK REGION PARAM VALUE
python -m local.deploy --destroy    STACK REGION
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from local.deploy import account, change, cloud, parameters, questions, release, removal
from local.deploy.errors import NotDoneError

NAME = "dropreel"


def main(arguments: list[str], variables: Mapping[str, str]) -> int:
    work = _set if "--set" in arguments else _destroy if "--destroy" in arguments else _deploy
    try:
        work(variables, variables.get("STACK") or NAME)
    except NotDoneError as error:
        print(error, file=sys.stderr)
        return 1
    except (BotoCoreError, ClientError) as error:
        print(f"AWS refused: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped; what AWS has begun goes on", file=sys.stderr)
        return 130
    return 0


def _deploy(variables: Mapping[str, str], name: str) -> None:
    release.check_name(name)
    session, _ = _signed_in(variables)
    stack = cloud.find_stack(session, name)
    release.check_state(stack)
    known, present = parameters.read(), stack.parameters if stack else {}
    file = variables.get("PARAMS")
    answers = parameters.read_answers(Path(file), known) if file else questions.ask(known, present)
    print(f"\n{questions.kept_as_they_are(known, answers, present)}")
    print(f"To change one later: make set PARAM=<name> VALUE=<value>{_named(variables)}")
    print("template.yaml explains all of them.\n")
    release.deploy(session, name, answers)
    print(f"\n{release.next_steps(cloud.must_find(session, name), first=stack is None)}")


def _set(variables: Mapping[str, str], name: str) -> None:
    wanted, value = variables.get("PARAM", ""), variables.get("VALUE", "")
    if not wanted:
        raise NotDoneError("Name a parameter and its value: make set PARAM=DailyCapUsd VALUE=50")
    parameters.check({wanted: value}, parameters.read())
    session, _ = _signed_in(variables)
    change.change(session, cloud.must_find(session, name), wanted, value)
    print(f"{name} has {wanted}={value} now.")


def _destroy(variables: Mapping[str, str], name: str) -> None:
    session, where = _signed_in(variables)
    removal.destroy(session, cloud.must_find(session, name), str(where), input)


def _signed_in(
    variables: Mapping[str, str],
) -> tuple[boto3.session.Session, account.Account]:
    session = account.session(variables)
    found = account.check(session)
    print(account.describe(found), flush=True)
    return session, found


def _named(variables: Mapping[str, str]) -> str:
    """The options of this run, for the next command."""
    given = [f" {name}={variables[name]}" for name in ("STACK", "REGION") if variables.get(name)]
    return "".join(given)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
