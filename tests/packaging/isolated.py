"""Imports modules with nothing but the given folders and the standard library; prints what came.

Run as a script by `python -I -S`, with the modules' names first and then `--` and the folders. A
name that ends in `.*` means every module of that package.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import sys


def main(arguments: list[str]) -> None:
    split = arguments.index("--")
    wanted, folders = arguments[:split], arguments[split + 1 :]
    standard = list(sys.path)
    sys.path[:] = [*folders[:2], *standard, *folders[2:]]  # Lambda: function, layer, Python, boto3
    for name in wanted:
        package = importlib.import_module(name.removesuffix(".*"))
        if name.endswith(".*"):
            for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
                importlib.import_module(module.name)
    files = {name: getattr(module, "__file__", None) for name, module in sys.modules.items()}
    loaded = {name: file for name, file in files.items() if file != __file__}
    handlers = {
        name: callable(getattr(sys.modules[name], "handler", None))
        for name in wanted
        if name in sys.modules
    }
    sys.stdout.write(json.dumps({"loaded": loaded, "handlers": handlers, "standard": standard}))


if __name__ == "__main__":
    main(sys.argv[1:])
