"""The fault matrix: drops with faults at chosen points, and what is left in the end.

A drop is played in process from its S3 event to its last mail: the real functions and the real
workflow on strict stand-ins for AWS, with the provider simulators behind the HTTP client.
First without a fault, which lists every call that leaves a function; then once per call, moment
and kind of fault, with everything that AWS would redeliver, retry or redrive afterwards. Each
play is one cell; `ends` shows how it has ended, `invariants` what must hold in all of them, and
`liveness` compares it with the play without a fault. docs/faults.md describes it all.

    python -m local.faults            all cells and new pairs of faults, a report in out/faults.md
    python -m local.faults --quick    every call and every kind of fault, not all combinations
"""
