"""The ways in which jobs come to their states."""

from __future__ import annotations

from dropreel.jobs.job import State

PATHS = {
    State.CLAIMED: [],
    State.SUBMITTING: [State.SUBMITTING],
    State.SUBMITTED: [State.SUBMITTING, State.SUBMITTED],
    State.REFUSED: [State.REFUSED],
    State.UNKNOWN: [State.SUBMITTING, State.UNKNOWN],
    State.RUNNING: [State.SUBMITTING, State.SUBMITTED, State.RUNNING],
    State.READY: [State.SUBMITTING, State.SUBMITTED, State.READY],
    State.DELIVERED: [State.SUBMITTING, State.SUBMITTED, State.READY, State.DELIVERED],
    State.FAILED: [State.SUBMITTING, State.SUBMITTED, State.FAILED],
    State.STALLED: [State.SUBMITTING, State.SUBMITTED, State.STALLED],
    State.CANCELLED: [State.SUBMITTING, State.SUBMITTED, State.CANCELLED],
}
