//! Keeps the extensions of one execution environment: their registrations, and which of them wait for an event.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::Serialize;
use tokio::sync::{Notify, oneshot};
use uuid::Uuid;

use crate::handler::lambda::invocation::{FunctionError, Invocation};

/// The most extensions of one environment, as on Lambda.
const EXTENSIONS_MAX: usize = 10;

/// The extensions of an execution environment, which is one runtime process with the programs beside it.
///
/// Its routes change it, and the supervisor of the runtime process alone waits here.
#[derive(Debug, Default)]
pub(super) struct ExtensionRegistry {
    registrations: Mutex<Registrations>,
    changed: Notify,
}

/// An event that an extension receives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "eventType", rename_all = "UPPERCASE", rename_all_fields = "camelCase")]
pub(super) enum ExtensionEvent {
    /// The runtime receives an invocation.
    Invoke {
        /// The time at which the function is ended, in milliseconds since 1970.
        deadline_ms: u64,
        /// The id of the invocation.
        request_id: String,
        /// The function's ARN.
        invoked_function_arn: String,
        /// The trace of the invocation, if it has one.
        #[serde(skip_serializing_if = "Option::is_none")]
        tracing: Option<XrayTracing>,
    },
    /// The environment ends.
    Shutdown {
        /// The time at which the extension is killed, in milliseconds since 1970.
        deadline_ms: u64,
        /// The cause.
        shutdown_reason: ShutdownReason,
    },
}

/// A trace context in X-Ray's form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct XrayTracing {
    r#type: &'static str,
    value: String,
}

/// The cause of an environment's end, by Lambda's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ShutdownReason {
    /// The worker stops.
    Spindown,
    /// The invocation was given up, as a rule at its time limit.
    Timeout,
    /// The runtime or an extension ended, or broke the protocol.
    Failure,
}

impl ExtensionEvent {
    /// The event of an invocation.
    pub(super) fn of_invocation(invocation: &Invocation, function_arn: &str) -> Self {
        let tracing = |value: &String| XrayTracing { r#type: "X-Amzn-Trace-Id", value: value.clone() };
        Self::Invoke {
            deadline_ms: invocation.start(),
            request_id: invocation.id.clone(),
            invoked_function_arn: function_arn.to_owned(),
            tracing: invocation.trace_id.as_ref().map(tracing),
        }
    }

    /// The event of an end with this much time for it.
    pub(super) fn of_end(shutdown_reason: ShutdownReason, limit: Duration) -> Self {
        let deadline = (SystemTime::now() + limit).duration_since(UNIX_EPOCH).unwrap_or_default();
        let deadline_ms = u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX);
        Self::Shutdown { deadline_ms, shutdown_reason }
    }
}

/// A request that the Extensions API refuses, by Lambda's name for the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ExtensionRefusal {
    pub(super) kind: &'static str,
    pub(super) message: String,
}

impl ExtensionRefusal {
    /// A refusal for this reason.
    pub(super) fn new(kind: &'static str, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    fn of_state(name: &str, request: &str) -> Self {
        let message = format!("Extension {name} may not {request} in its present state");
        Self::new("Extension.InvalidExtensionState", message)
    }
}

/// The place where an extension runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ExtensionPlace {
    /// In a program of its own, whose file has its name.
    OwnProgram,
    /// In the runtime's process.
    Runtime,
}

/// The phase of an extension.
#[derive(Debug)]
enum ExtensionPhase {
    /// Its program was started and has not registered.
    Started,
    /// It has registered and has not asked for an event.
    Registered,
    /// It waits for an event.
    Waiting(oneshot::Sender<ExtensionEvent>),
    /// It has received an event.
    Busy,
    /// Its program has ended, or it has reported a failure.
    Ended,
}

/// The events for which an extension has registered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Subscriptions {
    invoke: bool,
    shutdown: bool,
}

impl Subscriptions {
    fn of(events: &[String], place: ExtensionPlace) -> Result<Self, ExtensionRefusal> {
        let mut subscriptions = Self::default();
        for event in events {
            match (event.as_str(), place) {
                ("INVOKE", _) => subscriptions.invoke = true,
                ("SHUTDOWN", ExtensionPlace::OwnProgram) => subscriptions.shutdown = true,
                (event, _) => {
                    let reason = match event {
                        "SHUTDOWN" => "ShutdownEventNotSupportedForInternalExtension",
                        _ => "ErrorInvalidEventType",
                    };
                    return Err(ExtensionRefusal::new(
                        "Extension.InvalidEventType",
                        format!("{event}: {reason}"),
                    ));
                }
            }
        }
        Ok(subscriptions)
    }
}

#[derive(Debug)]
struct RegisteredExtension {
    name: String,
    id: String,
    place: ExtensionPlace,
    events: Subscriptions,
    phase: ExtensionPhase,
}

impl RegisteredExtension {
    fn new(name: &str, place: ExtensionPlace, phase: ExtensionPhase) -> Self {
        let events = Subscriptions::default();
        Self { name: name.to_owned(), id: Uuid::new_v4().to_string(), place, events, phase }
    }

    /// True while the environment must wait for it.
    fn is_awaited(&self) -> bool {
        match self.phase {
            ExtensionPhase::Started | ExtensionPhase::Registered => true,
            ExtensionPhase::Busy => self.events.invoke,
            ExtensionPhase::Waiting(_) | ExtensionPhase::Ended => false,
        }
    }

    /// Sends an event if it waits for one; otherwise it may ask for the next one later.
    fn send(&mut self, event: &ExtensionEvent) {
        if let ExtensionPhase::Waiting(_) = self.phase
            && let ExtensionPhase::Waiting(next) = std::mem::replace(&mut self.phase, ExtensionPhase::Busy)
        {
            // One whose connection is closed asks again over another.
            drop(next.send(event.clone()));
        }
    }
}

/// The registrations of an environment.
#[derive(Debug, Default)]
struct Registrations {
    extensions: Vec<RegisteredExtension>,
    /// True once the runtime has asked for work: none may register any more.
    is_closed: bool,
    /// The first failure that an extension has reported.
    failure: Option<String>,
    /// The environment's end, for extensions that are still busy.
    shutdown: Option<ExtensionEvent>,
}

/// A program of the environment that has ended.
#[derive(Clone, Copy, Debug)]
pub(super) enum EndedProgram<'a> {
    /// The runtime, with the extensions in its process.
    Runtime,
    /// The extension of this name.
    Extension(&'a str),
}

/// A moment of an extension at which it may report a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FailureMoment {
    /// Between its registration and its first request for an event.
    Init,
    /// At any time, before it ends.
    Exit,
}

impl Registrations {
    fn expect_program(&mut self, name: &str) -> Result<(), ExtensionRefusal> {
        self.check_number()?;
        self.extensions.push(RegisteredExtension::new(
            name,
            ExtensionPlace::OwnProgram,
            ExtensionPhase::Started,
        ));
        Ok(())
    }

    fn check_number(&self) -> Result<(), ExtensionRefusal> {
        if self.extensions.len() < EXTENSIONS_MAX {
            return Ok(());
        }
        let message = format!("Extension limit ({EXTENSIONS_MAX}) reached");
        Err(ExtensionRefusal::new("Extension.TooManyExtensions", message))
    }

    fn register(&mut self, name: &str, events: &[String]) -> Result<String, ExtensionRefusal> {
        let known = self.extensions.iter_mut().find(|extension| extension.name == name);
        let Some(extension) = known else { return self.register_in_runtime(name, events) };
        match (extension.place, &extension.phase) {
            (ExtensionPlace::OwnProgram, ExtensionPhase::Started) => {
                extension.events = Subscriptions::of(events, extension.place)?;
                extension.phase = ExtensionPhase::Registered;
                Ok(extension.id.clone())
            }
            _ => Err(ExtensionRefusal::of_state(name, "register")),
        }
    }

    fn register_in_runtime(&mut self, name: &str, events: &[String]) -> Result<String, ExtensionRefusal> {
        let place = ExtensionPlace::Runtime;
        let events = Subscriptions::of(events, place)?;
        if self.is_closed {
            let message = "Extension registration closed already";
            return Err(ExtensionRefusal::new("Extension.RegistrationClosed", message));
        }
        self.check_number()?;
        let extension = RegisteredExtension {
            events,
            ..RegisteredExtension::new(name, place, ExtensionPhase::Registered)
        };
        let id = extension.id.clone();
        self.extensions.push(extension);
        Ok(id)
    }

    fn request_next(&mut self, id: &str) -> Result<oneshot::Receiver<ExtensionEvent>, ExtensionRefusal> {
        let shutdown = self.shutdown.clone();
        let extension = self.registered(id)?;
        let is_taken = match &extension.phase {
            ExtensionPhase::Waiting(first) => !first.is_closed(),
            phase => matches!(phase, ExtensionPhase::Started | ExtensionPhase::Ended),
        };
        if is_taken {
            return Err(ExtensionRefusal::of_state(&extension.name, "ask for the next event"));
        }
        let (sender, next) = oneshot::channel();
        extension.phase = ExtensionPhase::Waiting(sender);
        if let Some(event) = shutdown.filter(|_| extension.events.shutdown) {
            extension.send(&event);
        }
        Ok(next)
    }

    /// Records that an extension reports a failure, which ends the environment.
    fn report(
        &mut self,
        id: &str,
        moment: FailureMoment,
        error: &FunctionError,
    ) -> Result<(), ExtensionRefusal> {
        let extension = self.registered(id)?;
        let is_early = matches!(extension.phase, ExtensionPhase::Registered);
        if matches!(extension.phase, ExtensionPhase::Ended) || (moment == FailureMoment::Init && !is_early) {
            return Err(ExtensionRefusal::of_state(&extension.name, "report this failure"));
        }
        extension.phase = ExtensionPhase::Ended;
        let reason = format!("the extension {} reported an error: {error}", extension.name);
        self.failure.get_or_insert(reason);
        Ok(())
    }

    fn registered(&mut self, id: &str) -> Result<&mut RegisteredExtension, ExtensionRefusal> {
        let is_it = |extension: &&mut RegisteredExtension| {
            extension.id == id && !matches!(extension.phase, ExtensionPhase::Started)
        };
        let unknown = || ExtensionRefusal::new("Extension.UnknownExtensionIdentifier", "Unknown extension");
        self.extensions.iter_mut().find(is_it).ok_or_else(unknown)
    }

    fn invoke(&mut self, event: &ExtensionEvent) {
        self.extensions
            .iter_mut()
            .filter(|extension| extension.events.invoke)
            .for_each(|one| one.send(event));
    }

    fn shut_down(&mut self, event: &ExtensionEvent) {
        self.extensions.iter_mut().filter(|one| one.events.shutdown).for_each(|one| one.send(event));
        self.shutdown = Some(event.clone());
    }

    /// Answers the requests of a program that has ended, so that they delay nothing.
    fn release(&mut self, ended: EndedProgram<'_>) {
        let is_of_it = |extension: &&mut RegisteredExtension| match ended {
            EndedProgram::Runtime => extension.place == ExtensionPlace::Runtime,
            EndedProgram::Extension(name) => extension.name == name,
        };
        self.extensions.iter_mut().filter(is_of_it).for_each(|one| one.phase = ExtensionPhase::Ended);
    }

    /// The names of the extensions that fulfil this, for a reason.
    fn names(&self, fulfils: impl Fn(&RegisteredExtension) -> bool) -> Vec<&str> {
        self.extensions.iter().filter(|one| fulfils(one)).map(|one| one.name.as_str()).collect()
    }
}

impl ExtensionRegistry {
    /// Expects the registration of a program that is started now; `Err` if there are too many.
    pub(super) fn expect_program(&self, name: &str) -> Result<(), ExtensionRefusal> {
        self.change(|registrations| registrations.expect_program(name))
    }

    /// Registers an extension for these events, and returns its id.
    pub(super) fn register(&self, name: &str, events: &[String]) -> Result<String, ExtensionRefusal> {
        self.change(|registrations| registrations.register(name, events))
    }

    /// Ends the registration of extensions in the runtime's process, as Lambda does when the runtime asks for work.
    pub(super) fn close_registration(&self) {
        self.change(|registrations| registrations.is_closed = true);
    }

    /// Records the request of an extension for its next event, which the receiver returns.
    pub(super) fn request_next(
        &self,
        id: &str,
    ) -> Result<oneshot::Receiver<ExtensionEvent>, ExtensionRefusal> {
        self.change(|registrations| registrations.request_next(id))
    }

    /// Records that an extension reports a failure, which ends the environment.
    pub(super) fn report(
        &self,
        id: &str,
        moment: FailureMoment,
        error: &FunctionError,
    ) -> Result<(), ExtensionRefusal> {
        self.change(|registrations| registrations.report(id, moment, error))
    }

    /// Sends the event of an invocation to those that have registered for it.
    pub(super) fn invoke(&self, event: &ExtensionEvent) {
        self.change(|registrations| registrations.invoke(event));
    }

    /// Sends the event of the environment's end to those that have registered for it, or once they ask for their next.
    pub(super) fn shut_down(&self, event: &ExtensionEvent) {
        self.change(|registrations| registrations.shut_down(event));
    }

    /// Answers the requests of a program that has ended, so that they delay nothing.
    pub(super) fn release(&self, ended: EndedProgram<'_>) {
        self.change(|registrations| registrations.release(ended));
    }

    /// True if an extension of this name has registered for the event of the environment's end.
    pub(super) fn awaits_shutdown(&self, name: &str) -> bool {
        !self.lock().names(|one| one.name == name && one.events.shutdown).is_empty()
    }

    /// The names of the extensions for which the environment waits.
    pub(super) fn awaited(&self) -> String {
        self.lock().names(RegisteredExtension::is_awaited).join(", ")
    }

    /// The failure that an extension has reported, if any.
    pub(super) fn failure(&self) -> Option<String> {
        self.lock().failure.clone()
    }

    /// Waits until every program has registered.
    pub(super) async fn all_registered(&self) {
        let has_started = |one: &RegisteredExtension| matches!(one.phase, ExtensionPhase::Started);
        self.until(|registrations| registrations.names(has_started).is_empty().then_some(())).await;
    }

    /// Waits until every extension waits for an event, after its start as after an invocation.
    pub(super) async fn settled(&self) {
        self.until(|registrations| {
            registrations.names(RegisteredExtension::is_awaited).is_empty().then_some(())
        })
        .await;
    }

    /// Waits until an extension reports a failure.
    pub(super) async fn failed(&self) -> String {
        self.until(|registrations| registrations.failure.clone()).await
    }

    async fn until<T>(&self, met: impl Fn(&Registrations) -> Option<T>) -> T {
        loop {
            // Created before the check, so that no change is missed in between.
            let changed = self.changed.notified();
            if let Some(value) = met(&self.lock()) {
                return value;
            }
            changed.await;
        }
    }

    fn change<T>(&self, change: impl FnOnce(&mut Registrations) -> T) -> T {
        let result = change(&mut self.lock());
        self.changed.notify_waiters();
        result
    }

    fn lock(&self) -> MutexGuard<'_, Registrations> {
        self.registrations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures_util::FutureExt as _;
    use serde_json::json;

    use super::*;
    use crate::message::Message;

    const NONE: [String; 0] = [];

    fn events(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn invoke() -> ExtensionEvent {
        let invocation = Invocation::new(&[&Message::new("m", "")], Bytes::new(), None);
        ExtensionEvent::of_invocation(&invocation, "arn")
    }

    fn end() -> ExtensionEvent {
        ExtensionEvent::of_end(ShutdownReason::Spindown, Duration::from_secs(2))
    }

    fn kind<T>(result: Result<T, ExtensionRefusal>) -> &'static str {
        result.err().map_or("", |refusal| refusal.kind)
    }

    /// A registry with a program that has registered for both events, and its id.
    fn registry() -> (ExtensionRegistry, String) {
        let registry = ExtensionRegistry::default();
        registry.expect_program("agent").unwrap();
        let id = registry.register("agent", &events(&["INVOKE", "SHUTDOWN"])).unwrap();
        (registry, id)
    }

    #[test]
    fn the_events_are_lambdas() {
        let mut invocation = Invocation::new(&[&Message::new("m", "")], Bytes::new(), None);
        invocation.trace_id = Some("Root=1-5759e988-bd862e3fe1be46a994272793".to_owned());
        let written = serde_json::to_value(ExtensionEvent::of_invocation(&invocation, "arn")).unwrap();
        let expected = json!({
            "eventType": "INVOKE",
            "deadlineMs": invocation.start(),
            "requestId": invocation.id,
            "invokedFunctionArn": "arn",
            "tracing": {"type": "X-Amzn-Trace-Id", "value": "Root=1-5759e988-bd862e3fe1be46a994272793"},
        });
        assert_eq!(written, expected);
        let event = ExtensionEvent::Shutdown { deadline_ms: 7, shutdown_reason: ShutdownReason::Failure };
        let expected = json!({"eventType": "SHUTDOWN", "deadlineMs": 7, "shutdownReason": "failure"});
        assert_eq!(serde_json::to_value(event).unwrap(), expected);
    }

    #[test]
    fn a_program_registers_once_and_an_internal_extension_only_before_the_runtime_asks_for_work() {
        let (registry, _id) = registry();
        assert_eq!(kind(registry.register("agent", &NONE)), "Extension.InvalidExtensionState");
        assert!(registry.register("inside", &NONE).is_ok());
        assert_eq!(kind(registry.register("inside", &NONE)), "Extension.InvalidExtensionState");
        registry.close_registration();
        assert_eq!(kind(registry.register("late", &NONE)), "Extension.RegistrationClosed");
    }

    #[test]
    fn an_internal_extension_may_not_register_for_the_end_and_nobody_for_other_events() {
        let registry = ExtensionRegistry::default();
        let refused = registry.register("inside", &events(&["SHUTDOWN"])).unwrap_err();
        assert_eq!(refused.kind, "Extension.InvalidEventType");
        assert_eq!(refused.message, "SHUTDOWN: ShutdownEventNotSupportedForInternalExtension");
        assert_eq!(kind(registry.register("inside", &events(&["RESTORE"]))), "Extension.InvalidEventType");
        assert!(registry.register("inside", &events(&["INVOKE"])).is_ok());
    }

    #[test]
    fn an_environment_has_ten_extensions_at_most() {
        let registry = ExtensionRegistry::default();
        for number in 0..EXTENSIONS_MAX {
            registry.register(&number.to_string(), &NONE).unwrap();
        }
        assert_eq!(kind(registry.register("eleventh", &NONE)), "Extension.TooManyExtensions");
        assert_eq!(kind(registry.expect_program("agent")), "Extension.TooManyExtensions");
    }

    #[test]
    fn each_event_goes_to_those_that_have_registered_for_it() {
        let (registry, agent) = registry();
        let inside = registry.register("inside", &NONE).unwrap();
        let (mut of_agent, mut of_inside) =
            (registry.request_next(&agent).unwrap(), registry.request_next(&inside).unwrap());
        let event = invoke();
        registry.invoke(&event);
        assert_eq!(of_agent.try_recv(), Ok(event));
        assert!(of_inside.try_recv().is_err(), "it waits for ever");
        assert!(registry.awaits_shutdown("agent") && !registry.awaits_shutdown("inside"));
    }

    #[test]
    fn the_environment_is_settled_when_all_wait_for_their_next_event() {
        let (registry, id) = registry();
        assert!(registry.all_registered().now_or_never().is_some());
        assert_eq!((registry.settled().now_or_never(), &*registry.awaited()), (None, "agent"));
        let _next = registry.request_next(&id).unwrap();
        assert_eq!((registry.settled().now_or_never(), &*registry.awaited()), (Some(()), ""));
        registry.invoke(&invoke());
        assert_eq!((registry.settled().now_or_never(), &*registry.awaited()), (None, "agent"));
        let _next = registry.request_next(&id).unwrap();
        assert_eq!(registry.settled().now_or_never(), Some(()));
    }

    #[test]
    fn a_program_that_has_not_registered_is_waited_for_and_has_no_id() {
        let registry = ExtensionRegistry::default();
        registry.expect_program("agent").unwrap();
        assert_eq!((registry.all_registered().now_or_never(), &*registry.awaited()), (None, "agent"));
        assert_eq!(kind(registry.request_next("made-up")), "Extension.UnknownExtensionIdentifier");
    }

    #[test]
    fn a_second_request_is_refused_while_the_first_waits() {
        let (registry, id) = registry();
        let first = registry.request_next(&id).unwrap();
        assert_eq!(kind(registry.request_next(&id)), "Extension.InvalidExtensionState");
        drop(first);
        assert!(registry.request_next(&id).is_ok(), "the connection of the first is closed");
    }

    #[test]
    fn a_busy_extension_gets_the_end_when_it_asks_for_its_next_event() {
        let (registry, id) = registry();
        let _next = registry.request_next(&id).unwrap();
        registry.invoke(&invoke());
        let event = end();
        registry.shut_down(&event);
        assert_eq!(registry.request_next(&id).unwrap().try_recv(), Ok(event));
    }

    #[test]
    fn a_reported_failure_names_the_extension() {
        let (registry, id) = registry();
        let error = FunctionError::read(Some("Extension.NoKey"), b"{}");
        registry.report(&id, FailureMoment::Init, &error).unwrap();
        let reason = "the extension agent reported an error: Extension.NoKey".to_owned();
        assert_eq!(registry.failed().now_or_never(), Some(reason.clone()));
        let again = registry.report(&id, FailureMoment::Exit, &error);
        assert_eq!((kind(again), registry.failure()), ("Extension.InvalidExtensionState", Some(reason)));
    }

    #[test]
    fn an_init_error_is_refused_after_the_first_request_for_an_event() {
        let (registry, id) = registry();
        let _next = registry.request_next(&id).unwrap();
        let error = FunctionError::of_type("E");
        let report = registry.report(&id, FailureMoment::Init, &error);
        assert_eq!((kind(report), registry.failure()), ("Extension.InvalidExtensionState", None));
        assert!(registry.report(&id, FailureMoment::Exit, &error).is_ok());
    }

    #[test]
    fn the_requests_of_a_program_that_has_ended_are_answered() {
        let (registry, agent) = registry();
        let inside = registry.register("inside", &NONE).unwrap();
        let (mut of_agent, mut of_inside) =
            (registry.request_next(&agent).unwrap(), registry.request_next(&inside).unwrap());
        registry.release(EndedProgram::Runtime);
        assert_eq!(of_inside.try_recv(), Err(oneshot::error::TryRecvError::Closed));
        assert_eq!(of_agent.try_recv(), Err(oneshot::error::TryRecvError::Empty));
        registry.release(EndedProgram::Extension("agent"));
        assert_eq!(of_agent.try_recv(), Err(oneshot::error::TryRecvError::Closed));
    }
}
