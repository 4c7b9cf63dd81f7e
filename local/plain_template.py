"""The template without SAM: what CloudFormation gets, and what the console takes as a file.

`make template BUCKET=...` builds and uploads the code to that bucket first. Without a bucket the
template is good for reading and checking; its code lies nowhere.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

from local.embedded_aws import REGION, ROOT

OUT = ROOT / "out" / "template.json"
_CODE = ("CodeUri", "ContentUri", "DefinitionUri")


def plain(source: dict[str, Any]) -> dict[str, Any]:
    """What SAM makes of a template, with the defaults of its parameters.

    Code that lies in a folder is replaced by a place in S3 that does not exist.
    """
    os.environ.setdefault("AWS_DEFAULT_REGION", REGION)
    for resource in source["Resources"].values():
        for place in _CODE:
            if not str(resource["Properties"].get(place, "s3://")).startswith("s3://"):
                resource["Properties"][place] = "s3://built/somewhere"
    defaults = {name: part["Default"] for name, part in source["Parameters"].items()}
    made: dict[str, Any] = Translator({}, Parser()).translate(source, defaults)
    return made


def read(path: Path = ROOT / "template.yaml") -> dict[str, Any]:
    """A template with its short forms and YAML's merges written out."""
    return dict(json.loads(json.dumps(yaml_parse(path.read_text(encoding="utf-8")))))


def write(path: Path, bucket: str = "") -> None:
    source = read(_packaged(path.parent, bucket)) if bucket else read()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(plain(source), indent=2) + "\n", encoding="utf-8")


def _packaged(folder: Path, bucket: str) -> Path:
    """The template with its code in the bucket, which `sam` uploads there."""
    folder.mkdir(parents=True, exist_ok=True)
    packaged = folder / "packaged.yaml"
    sam = str(Path(sys.executable).parent / "sam")
    subprocess.run([sam, "build"], cwd=ROOT, check=True)
    upload = [sam, "package", "--s3-bucket", bucket, "--output-template-file", str(packaged)]
    subprocess.run(upload, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return packaged


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bucket", default="", help="where the code is uploaded to")
    bucket = parser.parse_args().bucket
    write(OUT, bucket)
    use = "ready for the console" if bucket else "for reading; BUCKET=... makes one for the console"
    print(f"{OUT.relative_to(ROOT)}: {use}")


if __name__ == "__main__":
    main()
