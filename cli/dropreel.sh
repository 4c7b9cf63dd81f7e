#!/bin/sh
# `make` copies this to .venv/bin/dropreel: it runs the command with the environment beside it.
bin=$(dirname "$0")
root=$(cd "$bin/../.." && pwd)
PYTHONPATH="$root/shared:$root" exec "$bin/python" -m cli "$@"
