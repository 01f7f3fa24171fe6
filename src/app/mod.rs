//! Wiring: from settings to a running worker.
