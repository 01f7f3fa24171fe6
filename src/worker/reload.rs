//! Reloads the configuration of a running worker: applies what can change while it runs, and names what cannot.

use serde_json::{Map, Value};

use super::{ControlError, WorkerControl};
use crate::{
    config::{self, Config, Purpose, Settings, Sources},
    consumer::ConsumerSettings,
    settings::Key,
    tasks,
    telemetry::events,
};

/// The reloads of one process.
pub(crate) struct Reload {
    sources: Sources,
    purpose: Purpose,
    /// The settings in force: those of the start, but for what was applied since.
    in_force: Settings,
}

impl Reload {
    /// Reloads from the sources from which these settings were read.
    pub(crate) fn new(sources: Sources, purpose: Purpose, settings: &Settings) -> Self {
        Self { sources, purpose, in_force: settings.clone() }
    }

    /// True if a hangup asks for a reload, by the settings and by whether the process has a controlling terminal.
    pub(super) fn is_asked_for(&self, has_terminal: bool) -> bool {
        self.in_force.drain.hangup.is_reload(has_terminal)
    }

    /// Reads the configuration again. If it is invalid, nothing changes.
    pub(super) async fn run(&mut self, control: &WorkerControl) {
        let (sources, purpose) = (self.sources.clone(), self.purpose);
        let loaded = tasks::aside(move || config::load(&sources, purpose)).await;
        match loaded {
            Ok(Ok(Config { settings, .. })) => self.apply(&settings, control),
            Ok(Err(problems)) => {
                events::ReloadRefused { error: &format!("the configuration has {problems}") }.emit();
            }
            Err(panic) => events::ReloadRefused { error: &panic.to_string() }.emit(),
        }
    }

    /// Applies what has changed since the start or the last reload; what was changed by hand meanwhile stays.
    fn apply(&mut self, settings: &Settings, control: &WorkerControl) {
        let mut applied = 0;
        for (queue, change) in take_live(&mut self.in_force, settings) {
            match change.apply(&queue, control) {
                Ok(()) => applied += 1,
                Err(error) => events::ChangeNotApplied { queue: &queue, error: &error }.emit(),
            }
        }
        let waiting = needing_restart(&self.in_force, settings);
        for setting in &waiting {
            events::ChangeNeedsRestart { setting }.emit();
        }
        events::ConfigurationReloaded { applied, needs_restart: waiting.len() }.emit();
    }
}

/// A change of a queue's settings that is applied while the worker runs.
enum LiveChange {
    Concurrency(usize),
    Paused(bool),
}

/// Takes over the settings that are applied while the worker runs; returns the changes of each queue.
fn take_live(in_force: &mut Settings, settings: &Settings) -> Vec<(String, LiveChange)> {
    let mut taken = Vec::new();
    for (name, queue) in &settings.queues {
        let Some(before) = in_force.queues.get_mut(name) else { continue };
        let (before, after) = (&mut before.consumer, &queue.consumer);
        taken.extend(changes(before, after).into_iter().map(|change| (name.clone(), change)));
        (before.paused, before.concurrency) = (after.paused, after.concurrency);
    }
    taken
}

/// The changes to apply; where both change, a queue is scaled before it is resumed.
fn changes(before: &ConsumerSettings, after: &ConsumerSettings) -> Vec<LiveChange> {
    let scaled = before.concurrency != after.concurrency;
    let paused = before.paused != after.paused;
    let scaled = scaled.then_some(LiveChange::Concurrency(after.concurrency));
    scaled.into_iter().chain(paused.then_some(LiveChange::Paused(after.paused))).collect()
}

impl LiveChange {
    fn apply(self, queue: &str, control: &WorkerControl) -> Result<(), ControlError> {
        match self {
            Self::Concurrency(concurrency) => control.set_concurrency(queue, concurrency),
            Self::Paused(true) => control.pause(queue, "paused = true in the reloaded configuration"),
            Self::Paused(false) => control.resume(queue),
        }
    }
}

/// The settings that differ, once those that are applied while the worker runs are taken over.
fn needing_restart(before: &Settings, after: &Settings) -> Vec<String> {
    let value = |settings: &Settings| serde_json::to_value(settings).unwrap_or_default();
    let mut changed = Vec::new();
    compare(&Key::default(), &value(before), &value(after), &mut changed);
    changed.iter().map(Key::to_string).collect()
}

/// Collects the keys whose values differ; a table that only one side has is one key.
fn compare<'v>(key: &Key, before: &'v Value, after: &'v Value, changed: &mut Vec<Key>) {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => {
            let added = after.keys().filter(|name| !before.contains_key(*name));
            for name in before.keys().chain(added) {
                let of = |table: &'v Map<String, Value>| table.get(name).unwrap_or(&Value::Null);
                compare(&key.child(name), of(before), of(after), changed);
            }
        }
        (before, after) if before != after => changed.push(key.clone()),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::QueueSettings;

    fn settings(change: impl FnOnce(&mut Settings)) -> Settings {
        let mut settings = Settings::default();
        settings.queues.insert("orders".to_owned(), QueueSettings::default());
        change(&mut settings);
        settings
    }

    #[test]
    fn every_changed_setting_is_named_but_those_that_are_applied() {
        let mut before = settings(|_| ());
        let after = settings(|settings| {
            let orders = settings.queues.get_mut("orders").unwrap();
            (orders.consumer.concurrency, orders.consumer.paused) = (3, true);
            orders.name = Some("orders".to_owned());
            orders.consumer.breaker = Some(crate::consumer::BreakerSettings::default());
            settings.queues.insert("mails".to_owned(), QueueSettings::default());
            settings.log.filter = "debug".to_owned();
        });
        let named = ["log.filter", "queues.orders.breaker", "queues.orders.name", "queues.mails"];
        assert_eq!(take_live(&mut before, &after).len(), 2);
        assert_eq!(needing_restart(&before, &after), named);
        assert_eq!(needing_restart(&after, &after), [""; 0]);
    }
}
