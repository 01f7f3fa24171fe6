//! The order of a FIFO queue's groups: a message starts when the one before it is settled.

use std::{
    num::NonZeroU32,
    sync::{MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::{Engine, buffer::Group, receive_mode::FailedGroups};
use crate::{
    consumer::lease::{Dependent, Lease},
    message::Message,
    queue::Description,
};

/// What the engine must know of its queue.
#[derive(Clone, Copy, Debug, Default)]
pub struct QueueTraits {
    /// The order of its messages.
    pub order: Order,
    /// After so many receives SQS moves a message to the dead-letter queue, where that is known.
    pub max_receive_count: Option<NonZeroU32>,
}

/// In which order a queue's messages run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// As they come, many at once.
    #[default]
    None,
    /// Those of one group one after another.
    Groups,
}

impl From<&Description> for QueueTraits {
    fn from(description: &Description) -> Self {
        let order = if description.fifo { Order::Groups } else { Order::None };
        let max_receive_count = description.redrive.as_ref().map(|redrive| redrive.max_receive_count);
        Self { order, max_receive_count }
    }
}

/// The messages of a group that wait for one of theirs; dropped when that one may run again.
pub(super) struct Successor {
    engine: Engine,
    group: Group,
    /// Whether the message before them will not run again.
    goes_on: bool,
}

impl Successor {
    pub(super) fn new(engine: Engine, group: Group) -> Self {
        Self { engine, group, goes_on: false }
    }
}

impl Dependent for Successor {
    fn proceed(mut self: Box<Self>) {
        self.goes_on = true;
    }

    fn postpone(&mut self, delay: Duration) {
        self.engine.fail_group_for(&self.group, delay);
    }
}

impl Drop for Successor {
    fn drop(&mut self) {
        if self.goes_on {
            self.engine.failed_groups().is_over(&self.group);
        } else {
            self.engine.fail_group(&self.group);
        }
        self.engine.slots().release(&self.group, Instant::now());
        self.engine.start_waiting();
    }
}

impl Engine {
    /// Lets the later messages of its group wait until a message is settled that does not run.
    pub(super) fn hold_up_group(&self, lease: &mut Lease, group: Group) {
        self.slots().occupy(&group);
        lease.add_dependent(Box::new(Successor::new(self.clone(), group)));
    }

    pub(super) fn failed_groups(&self) -> MutexGuard<'_, FailedGroups> {
        self.0.failed_groups.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The group that the message keeps its order in; SQS gives every message of a FIFO queue one.
    pub(super) fn group_of(&self, message: &Message) -> Option<Group> {
        let name = || message.system.group_id.as_deref().unwrap_or_default().into();
        (self.0.traits.order == Order::Groups).then(name)
    }

    /// Whether SQS will move the message to the dead-letter queue if it is not deleted.
    pub(super) fn is_last_try(&self, message: &Message) -> bool {
        self.0.traits.max_receive_count.is_some_and(|most| message.receive_count >= most.get())
    }

    /// Gives back what waits behind a message of this group that is to come again.
    fn fail_group(&self, group: &Group) {
        let behind = self.slots().fail(group);
        self.give_back_unrun(behind, Duration::ZERO);
    }

    /// The same for a message that is visible again after `delay`, and so are those behind it: no sooner, or a server
    /// that looks at each message apart would hand them out first.
    pub(super) fn fail_group_for(&self, group: &Group, delay: Duration) {
        let behind = self.slots().fail(group);
        self.failed_groups().expect(group, Instant::now() + delay);
        self.give_back_unrun(behind, delay);
    }
}
