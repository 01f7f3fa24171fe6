//! The average time for which a message keeps a slot, by the calls that have ended and by those that run; pure.

use crate::consumer::running::WorkDone;

/// The messages over which seconds of work are compared with ends: fewer say little when calls are long.
const COMPARED: f64 = 20.0;
/// The least ratio of the two at which slots are held by calls that do not end: below it, it may be chance.
const STANDSTILL: f64 = 1.5;

/// Averages the time that a message keeps a slot, from one measurement to the next.
///
/// The average is that of the calls that have ended, unless many more seconds of slots pass for each message that ends:
/// then some slots are held by calls that do not end, and each message that ends takes the time of those slots, too.
pub(crate) struct WorkAverage {
    total: Box<dyn Fn() -> WorkDone + Send + Sync>,
    last: WorkDone,
    /// By the calls that have ended.
    of_ended: Option<f64>,
    of_slots: SlotTime,
}

/// The seconds of slots for each message that ends.
#[derive(Clone, Copy, Debug, Default)]
struct SlotTime {
    /// The seconds of the messages in `messages`.
    seconds: f64,
    messages: f64,
    /// The seconds since the last measurement in which a message ended.
    since_end: f64,
}

/// The work from one measurement to the next.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct WorkSince {
    /// Seconds that calls took, ended or not.
    pub(crate) seconds: f64,
    /// Messages that ended.
    pub(crate) messages: u64,
}

impl WorkAverage {
    /// Measures from now on; `total` reads all the work since the start.
    pub(crate) fn new(total: impl Fn() -> WorkDone + Send + Sync + 'static) -> Self {
        Self { last: total(), total: Box::new(total), of_ended: None, of_slots: SlotTime::default() }
    }

    /// Measures again, and returns the work done since the last measurement.
    pub(crate) fn update(&mut self) -> WorkSince {
        let (total, last) = ((self.total)(), self.last);
        let ended = (total.seconds - last.seconds).max(0.0);
        let seconds = (ended + total.running_seconds - last.running_seconds).max(0.0);
        let messages = total.messages.saturating_sub(last.messages);
        self.last = total;
        self.of_slots.add(seconds, messages);
        if messages > 0 {
            #[expect(clippy::cast_precision_loss, reason = "no time between measurements has 2^53 messages")]
            let average = ended / messages as f64;
            self.of_ended = Some(average);
        }
        WorkSince { seconds, messages }
    }

    /// The seconds per message, if a message has ended.
    pub(crate) fn seconds_per_message(&self) -> Option<f64> {
        let of_ended = self.of_ended?;
        let of_slots = self.of_slots.average().filter(|seconds| *seconds > of_ended * STANDSTILL);
        Some(of_slots.unwrap_or(of_ended))
    }
}

impl SlotTime {
    fn add(&mut self, seconds: f64, messages: u64) {
        self.since_end += seconds;
        if messages == 0 {
            return;
        }
        #[expect(clippy::cast_precision_loss, reason = "no time between measurements has 2^53 messages")]
        let messages = messages as f64;
        let kept = (1.0 - messages / COMPARED).max(0.0);
        self.seconds = self.seconds * kept + std::mem::take(&mut self.since_end);
        self.messages = self.messages * kept + messages;
    }

    /// The average, once enough messages have ended.
    fn average(&self) -> Option<f64> {
        (self.messages >= COMPARED / 2.0).then(|| self.seconds / self.messages)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// An average, and the work that it measures.
    fn average() -> (WorkAverage, Arc<Mutex<WorkDone>>) {
        let work = Arc::new(Mutex::new(WorkDone::default()));
        let read = work.clone();
        (WorkAverage::new(move || *read.lock().unwrap()), work)
    }

    /// Calls in this many slots for half a minute; of each message that ends, this time.
    fn pass(work: &Mutex<WorkDone>, slots: f64, messages: u32, each: f64) {
        let mut work = work.lock().unwrap();
        let ended = f64::from(messages) * each;
        work.seconds += ended;
        work.messages += u64::from(messages);
        work.running_seconds += slots * 30.0 - ended;
    }

    #[test]
    fn the_average_is_that_of_the_last_measurement_in_which_a_message_ended() {
        let (mut average, work) = average();
        assert_eq!(average.seconds_per_message(), None, "nothing is known yet");
        pass(&work, 16.0, 240, 2.0);
        assert_eq!(average.update(), WorkSince { seconds: 480.0, messages: 240 });
        assert_eq!(average.seconds_per_message(), Some(2.0));
        assert_eq!(average.update(), WorkSince::default());
        assert_eq!(average.seconds_per_message(), Some(2.0));
        pass(&work, 16.0, 480, 1.0);
        average.update();
        assert_eq!(average.seconds_per_message(), Some(1.0));
    }

    #[test]
    fn slots_whose_calls_do_not_end_count_for_the_messages_that_end() {
        let (mut average, work) = average();
        pass(&work, 16.0, 240, 2.0);
        average.update();
        for _ in 0..4 {
            pass(&work, 16.0, 15, 2.0);
            average.update();
        }
        let seconds = average.seconds_per_message().unwrap();
        assert!((seconds - 32.0).abs() < 2.0, "one slot of sixteen works: {seconds}");
    }

    #[test]
    fn long_calls_that_end_now_and_then_are_averaged_by_their_own_time() {
        let (mut average, work) = average();
        for round in 0..200_u32 {
            // Sixteen slots, ten minutes each, not in step: 0.8 ends in half a minute.
            pass(&work, 16.0, u32::from(round % 5 != 0), 600.0);
            average.update();
            assert!(average.seconds_per_message().is_none_or(|seconds| (seconds - 600.0).abs() < 1.0));
        }
        for _ in 0..19 {
            pass(&work, 16.0, 0, 600.0);
            average.update();
        }
        pass(&work, 16.0, 16, 600.0);
        average.update();
        let seconds = average.seconds_per_message().unwrap();
        assert!((seconds - 600.0).abs() < 1.0, "those that end in step are no standstill: {seconds}");
    }
}
