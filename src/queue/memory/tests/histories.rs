//! Any history of sends, receives, changes, deletes and waits keeps the promises of a queue.
