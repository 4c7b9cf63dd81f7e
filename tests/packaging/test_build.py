from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from local.bench.start import RUNTIME
from tests.packaging.conftest import FUNCTIONS, Imports
from tests.template import stack

MEGABYTE = 1024 * 1024
# Leavings of a build, and what Lambda brings along.
UNWANTED = {"__pycache__", "bin", ".lock", "boto3", "botocore", "s3transfer", "pip", "setuptools"}


def function_folder(built: Path, name: str) -> Path:
    return built / f"{name.capitalize()}Function"


def layer_folder(built: Path) -> Path:
    return built / "SharedLayer" / "python"


def parts_of(folder: Path) -> set[str]:
    return {part for path in folder.rglob("*") for part in path.relative_to(folder).parts}


# --- complete --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_built_function_needs_nothing_but_its_layer_and_lambdas_runtime(
    built: Path, runtime: Path, imports: Imports, name: str
) -> None:
    folders = [function_folder(built, name), layer_folder(built), runtime]
    handler = f"functions.{name}.handler"
    done = imports(handler, folders=folders)
    assert (done.code, done.complaint) == (0, "")
    assert done.handlers[handler]
    allowed = tuple(f"{folder}/" for folder in (*folders, *done.standard))
    files = [file for file in done.loaded.values() if file]
    assert [file for file in files if not file.startswith(allowed)] == []
    assert [file for file in files if "site-packages" in file] == []
    assert str(done.loaded["dropreel"]).startswith(str(layer_folder(built)))
    assert str(done.loaded["boto3"]).startswith(str(runtime))


def test_what_is_loaded_only_when_it_is_needed_can_be_loaded_too(
    built: Path, runtime: Path, imports: Imports
) -> None:
    done = imports("dropreel.*", folders=[layer_folder(built), runtime])
    assert (done.code, done.complaint) == (0, "")
    names = ("eachlabs", "fal", "luma", "oxen")
    assert {f"dropreel.providers.{name}" for name in names} <= set(done.loaded)


@pytest.mark.parametrize("name", ["pytest", "moto", "boto3"])
def test_what_is_installed_for_development_cannot_hide_a_gap(
    built: Path, imports: Imports, name: str
) -> None:
    folders = [function_folder(built, "submit"), layer_folder(built)]
    done = imports(name, folders=folders)
    assert f"No module named '{name}'" in done.complaint
    assert done.code != 0


def test_without_its_layer_a_function_cannot_be_imported(
    built: Path, runtime: Path, imports: Imports, tmp_path: Path
) -> None:
    folders = [function_folder(built, "poll"), tmp_path, runtime]
    assert imports("functions.poll.handler", folders=folders).code != 0


# --- and nothing more ------------------------------------------------------------------------


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_built_function_is_its_handler_alone(built: Path, name: str) -> None:
    folder = function_folder(built, name)
    files = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    assert {str(file) for file in files if file.name != "__init__.py"} == {
        f"functions/{name}/handler.py"
    }


def test_the_layer_holds_our_package_with_its_data(built: Path) -> None:
    package = layer_folder(built) / "dropreel"
    source = stack.ROOT / "shared" / "dropreel"
    wanted = {
        path.relative_to(source)
        for path in source.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {path.relative_to(package) for path in package.rglob("*") if path.is_file()} == wanted
    assert Path("prices.json") in wanted


def test_the_layer_holds_no_byte_code_no_tests_and_nothing_that_lambda_brings(
    built: Path, lambda_layer: Path
) -> None:
    for folder in (layer_folder(built), lambda_layer / "python"):
        assert parts_of(folder) & UNWANTED == set()
        assert list(folder.rglob("*.py[co]")) == []
        assert {path.name for path in folder.iterdir()} & {"tests", "functions", "local"} == set()
        assert {"httpx", "pydantic", "aws_lambda_powertools"} <= parts_of(folder)


def test_the_stand_in_for_lambdas_runtime_holds_what_lambda_has(runtime: Path) -> None:
    assert {path.stem for path in runtime.iterdir()} == set(RUNTIME)


# --- for Lambda ------------------------------------------------------------------------------


def test_the_layer_for_lambda_is_built_for_its_processor_and_python(lambda_layer: Path) -> None:
    function = stack.template()["Globals"]["Function"]
    assert (function["Runtime"], function["Architectures"]) == ("python3.13", ["arm64"])
    libraries = [path.name for path in lambda_layer.rglob("*.so")]
    assert libraries
    assert [name for name in libraries if "cpython-313-aarch64" not in name] == []


def test_every_wheel_of_the_layer_fits_lambda(lambda_layer: Path) -> None:
    tags = [
        line.removeprefix("Tag: ")
        for wheel in lambda_layer.rglob("*.dist-info/WHEEL")
        for line in wheel.read_text(encoding="utf-8").splitlines()
        if line.startswith("Tag: ")
    ]
    assert len(tags) >= 8
    assert [tag for tag in tags if not tag.endswith(("-any", "_aarch64"))] == []


def test_the_layer_is_small(lambda_layer: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in lambda_layer.rglob("*"):
            archive.write(path, path.relative_to(lambda_layer))
    assert MEGABYTE < len(packed.getvalue()) < 10 * MEGABYTE
