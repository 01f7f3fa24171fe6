// What is aimed at: the limits that panels colour by. alerts.yaml has the same, and a test compares them.

/** Messages should start so soon after they were sent, in seconds; a bucket of `longshore_queue_wait_seconds`. */
export const START_AGE_SECONDS = 60;
/** The share of messages that should. */
export const START_AGE_SHARE = 0.99;
/** The fleet should work off what is in a queue in so many seconds. */
export const BACKLOG_SECONDS = 300;
/** A worker with a free permit should have had an answer from SQS so many seconds ago at most. */
export const SILENT_SECONDS = 90;
/** SQS should have told so many seconds ago at most how many messages a queue has: `LongshoreDepthUnknown` goes by the counts themselves. */
export const COUNTS_AGE_SECONDS = 900;
/** The share of the queue's retention that a message may wait. */
export const RETENTION_SHARE = 0.5;
/** SQS should confirm what became of a message within so many seconds. */
export const SETTLING_SECONDS = 60;
/** The share of deletes that may fail. */
export const DELETE_FAILURE_SHARE = 0.05;
/** The share of its limit that a stop may take. */
export const DRAIN_SHARE = 0.75;
