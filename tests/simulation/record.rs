//! The record of a simulation: every call, every effect in the store and every run, in the order of time.

use std::{
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use longshore::worker::Drained;
use tokio::time::Instant;

use super::plan::{FaultKind, World};
use crate::support::calls::Action;

/// The number of a message: its body.
pub(super) type Number = usize;

/// One receive of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Received {
    pub(super) number: Number,
    pub(super) count: u32,
}

/// One event.
#[derive(Clone, Debug)]
pub(super) struct Event {
    /// The time since the start of the simulation.
    pub(super) at: Duration,
    /// The worker; one that is started again is another.
    pub(super) worker: usize,
    pub(super) fact: Fact,
}

/// The fact of an event. `call` numbers the calls to the queue, and `run` the calls of handlers.
#[derive(Clone, Debug)]
#[expect(dead_code, reason = "a failing seed is printed with all of it")]
pub(super) enum Fact {
    Started,
    DrainBegan,
    Drained(Drained),
    Crashed,
    Sent {
        call: usize,
        action: Action,
        max: usize,
        entries: Vec<(Received, Option<Duration>)>,
    },
    /// The call has this fault.
    Faulty {
        call: usize,
        kind: FaultKind,
        by: Duration,
    },
    /// The store hid a message for a receive.
    Taken {
        call: usize,
        received: Received,
        visibility: Duration,
    },
    /// The store deleted a message.
    Deleted(Received),
    /// The store changed the visibility of a message.
    Changed {
        received: Received,
        visibility: Duration,
    },
    /// The store refused an entry.
    Refused(Received),
    /// The DLQ took the copy of a message.
    Copied(Number),
    /// The worker has the answer of a call, with the messages of a receive.
    Answered {
        call: usize,
        is_ok: bool,
        messages: Vec<Received>,
    },
    /// The message is visible although it is held.
    Duplicated(Number),
    Began {
        run: usize,
        received: Received,
    },
    Ended {
        run: usize,
        received: Received,
        end: RunEnd,
    },
    Frozen(Duration),
    Policy(u32),
    /// The worker has read that `maxReceiveCount` is this.
    PolicyRead(u32),
    Calm,
    /// ECS protects the worker's task until this time, or does not.
    Protection(Option<Duration>),
    /// The agent of ECS did not answer as asked.
    AgentFailed,
    /// What the worker shows of itself.
    Shown(Shown),
}

/// What a worker shows of itself at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shown {
    /// True if it is not ready because messages cannot be settled.
    pub(super) fails_to_settle: bool,
    /// The age of the oldest call that runs.
    pub(super) oldest_running: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RunEnd {
    Done,
    Rejected,
    Failed,
    Down,
    /// The handler was not available, or the worker short of resources.
    Unavailable,
    /// It panicked or was dropped.
    Cut,
}

/// The events of a simulation, and the state at its end.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) world: World,
    pub(super) events: Vec<Event>,
    /// The messages in the DLQ.
    pub(super) dead: Vec<Number>,
    /// The number of messages left in the queue.
    pub(super) left: u64,
    /// The simulation was ended because of too many calls.
    pub(super) is_hot: bool,
}

/// Writes the record; clones share it.
#[derive(Clone, Debug)]
pub(super) struct Recorder {
    began: Instant,
    events: Arc<Mutex<Vec<Event>>>,
}

impl Recorder {
    pub(super) fn new() -> Self {
        Self { began: Instant::now(), events: Arc::default() }
    }

    pub(super) fn note(&self, worker: usize, fact: Fact) {
        let event = Event { at: self.began.elapsed(), worker, fact };
        self.events.lock().unwrap().push(event);
    }

    pub(super) fn now(&self) -> Duration {
        self.began.elapsed()
    }

    pub(super) fn at(&self, offset: Duration) -> Instant {
        self.began + offset
    }

    pub(super) fn events(&self) -> Vec<Event> {
        self.events.lock().unwrap().clone()
    }
}

impl fmt::Display for Event {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:>9.3} s  worker {}  {:?}", self.at.as_secs_f64(), self.worker, self.fact)
    }
}
