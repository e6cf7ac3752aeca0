"""Moving deals through a pass: detect, reconcile, dispatch, verify, rescue, sweep. Not here: what a handoff means."""
