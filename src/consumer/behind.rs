//! What a batch has done behind a rejected message of its group: settled only when that one is copied and deleted.

use std::{collections::HashMap, time::Duration};

use super::{
    Engine,
    buffer::Group,
    disposition::{Ended, Next},
    prepare::HeldMessage,
};
use crate::consumer::lease::Dependent;

/// One message of a call, and what becomes of it.
type Settling = (HeldMessage, Ended);

/// The messages behind a rejected one; should its copy be refused, they come again with it.
struct Behind {
    engine: Engine,
    settling: Vec<Settling>,
}

impl Behind {
    fn come_again(&mut self, delay: Duration) {
        for (HeldMessage { lease, .. }, _) in self.settling.drain(..) {
            self.engine.0.settler.change_visibility(lease, delay);
        }
    }
}

impl Dependent for Behind {
    fn proceed(mut self: Box<Self>) {
        let settling = std::mem::take(&mut self.settling);
        self.engine.settle_in_order(settling.into_iter());
    }

    fn postpone(&mut self, delay: Duration) {
        self.come_again(delay);
    }
}

impl Drop for Behind {
    fn drop(&mut self) {
        self.come_again(Duration::ZERO);
    }
}

impl Engine {
    /// Settles the messages of a call; those behind a reject of their group wait for its copy.
    pub(super) fn settle_in_order(&self, settling: impl Iterator<Item = Settling>) {
        let mut rejected: HashMap<Group, (Settling, Vec<Settling>)> = HashMap::new();
        for (waiting, ended) in settling {
            let is_reject = ended.next == Next::Reject;
            let is_word = is_reject || ended.next == Next::Delete;
            match &waiting.group {
                Some(group) if is_word && let Some((_, behind)) = rejected.get_mut(group) => {
                    behind.push((waiting, ended));
                }
                Some(group) if is_reject => {
                    rejected.insert(group.clone(), ((waiting, ended), Vec::new()));
                }
                _ => self.settle(waiting, ended),
            }
        }
        for ((mut waiting, ended), settling) in rejected.into_values() {
            if !settling.is_empty() {
                waiting.lease.add_dependent(Box::new(Behind { engine: self.clone(), settling }));
            }
            self.settle(waiting, ended);
        }
    }
}
