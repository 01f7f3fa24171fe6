//! Routes: each message goes to the handler of the first route whose conditions it meets.
//!
//! `docs/routes.md` has the conditions; `tests/index.md` the test of each.

mod settings;

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::{self, BoxFuture, FutureExt as _};

use self::settings::RouteTarget;
pub(crate) use self::settings::{RouteSettings, Routes};
use super::{
    AnyHandler, Batch, BatchItem, CallSize, Conditions, Context, FailureCounter, Outcome, Outcomes,
    Placement, Unavailable,
    any::{ErasedHandler, FetchedForm, HandlerProfile},
    conditions::RoutedMessage,
};
use crate::{
    message::{Message, Wanted},
    telemetry::MetricScope,
};

/// The reason of a message behind a failed one of its group.
const BEHIND_A_FAILED: &str = "an earlier message of its group failed";

/// One route: messages that meet the conditions go to the target.
struct Route {
    conditions: Conditions,
    target: RouteEnd,
}

/// The end of a route.
enum RouteEnd {
    Handler(AnyHandler),
    /// The messages are rejected, with this reason.
    Reject(String),
}

/// A handler that passes each message to the handler of its route.
///
/// It counts as down while any of its handlers is.
pub(crate) struct RoutingHandler {
    routes: Vec<Route>,
    /// The end of messages that meet the conditions of no route.
    rest: RouteEnd,
}

impl RoutingHandler {
    /// The routes by their settings; `build` builds a handler, and `rest` takes what no route does.
    pub(crate) fn new<E>(
        routes: &Routes,
        rest: Option<AnyHandler>,
        build: impl Fn(&super::Settings) -> Result<AnyHandler, E>,
    ) -> Result<Self, E> {
        let route = |settings: &RouteSettings| {
            let target = match settings.target() {
                RouteTarget::Handler(handler) => RouteEnd::Handler(build(handler)?),
                RouteTarget::Reject(reason) => RouteEnd::Reject(reason.to_owned()),
            };
            Ok(Route { conditions: settings.conditions().clone(), target })
        };
        let routes = routes.iter().map(route).collect::<Result<_, _>>()?;
        let no_route = || RouteEnd::Reject("it meets the conditions of no route".to_owned());
        Ok(Self { routes, rest: rest.map_or_else(no_route, RouteEnd::Handler) })
    }

    /// The route of a message by its position; that of the rest follows the last one.
    fn route_of(&self, message: &Message) -> usize {
        let message = RoutedMessage::new(message);
        let is_met = |route: &Route| route.conditions.are_met_by(&message);
        self.routes.iter().position(is_met).unwrap_or(self.routes.len())
    }

    fn target(&self, route: usize) -> &RouteEnd {
        self.routes.get(route).map_or(&self.rest, |route| &route.target)
    }

    fn handlers(&self) -> impl Iterator<Item = &AnyHandler> {
        let targets = self.routes.iter().map(|route| &route.target).chain([&self.rest]);
        targets.filter_map(|target| match target {
            RouteEnd::Handler(handler) => Some(handler),
            RouteEnd::Reject(_) => None,
        })
    }

    /// Handles messages of one route, and returns an outcome for each.
    async fn handle(&self, route: usize, items: Vec<BatchItem>, context: Context) -> Vec<Outcome> {
        let messages = items.len();
        match self.target(route) {
            RouteEnd::Reject(reason) => vec![Outcome::Reject(reason.clone()); messages],
            RouteEnd::Handler(handler) => match Batch::new(items) {
                Some(batch) => handler.call(batch, context).await.spread(messages),
                None => Vec::new(),
            },
        }
    }

    /// Handles the messages of all routes at once.
    async fn handle_together(&self, batch: Vec<(usize, BatchItem)>, context: &Context) -> Vec<Outcome> {
        let mut parts: BTreeMap<usize, Vec<(usize, BatchItem)>> = BTreeMap::new();
        for (position, (route, item)) in batch.into_iter().enumerate() {
            parts.entry(route).or_default().push((position, item));
        }
        let of_parts = parts.into_iter().map(async |(route, part)| {
            let (positions, items): (Vec<_>, Vec<_>) = part.into_iter().unzip();
            positions.into_iter().zip(self.handle(route, items, context.clone()).await)
        });
        let mut outcomes: Vec<_> = future::join_all(of_parts).await.into_iter().flatten().collect();
        outcomes.sort_unstable_by_key(|(position, _)| *position);
        outcomes.into_iter().map(|(_, outcome)| outcome).collect()
    }

    /// Handles the messages in their order: those that follow each other on one route at once.
    ///
    /// A message behind a failed one of its group does not run.
    async fn handle_in_order(&self, batch: Vec<(usize, BatchItem)>, context: &Context) -> Vec<Outcome> {
        let (mut failed, mut outcomes) = (BTreeSet::new(), Vec::with_capacity(batch.len()));
        let mut batch = batch.into_iter().peekable();
        while let Some((route, first)) = batch.next() {
            let mut items = vec![first];
            while let Some((_, item)) = batch.next_if(|(next, _)| *next == route) {
                items.push(item);
            }
            let group_of = |item: &BatchItem| item.message.system.group_id.clone();
            let is_behind = |item: &BatchItem| group_of(item).is_some_and(|group| failed.contains(&group));
            let is_behind: Vec<_> = items.iter().map(|item| (group_of(item), is_behind(item))).collect();
            let running = items.into_iter().zip(&is_behind).filter(|(_, (_, is_behind))| !is_behind);
            let running = running.map(|(item, _)| item).collect();
            let mut of_running = self.handle(route, running, context.clone()).await.into_iter();
            for (group, is_behind) in is_behind {
                let of_message = if is_behind { None } else { of_running.next() };
                let outcome = of_message.unwrap_or_else(|| Outcome::Retry(BEHIND_A_FAILED.to_owned()));
                if !matches!(outcome, Outcome::Done | Outcome::Reject(_)) {
                    failed.extend(group);
                }
                outcomes.push(outcome);
            }
        }
        outcomes
    }
}

impl From<RoutingHandler> for AnyHandler {
    fn from(handler: RoutingHandler) -> Self {
        let all = |is_so: fn(&Self) -> bool| handler.handlers().all(is_so);
        let profile = HandlerProfile {
            takes: if all(|handler| handler.takes() == CallSize::Batch) {
                CallSize::Batch
            } else {
                CallSize::One
            },
            placement: if all(|handler| handler.placement() == Placement::EngineThread) {
                Placement::EngineThread
            } else {
                Placement::CallerRuntime
            },
            wanted: Wanted::Everything,
            // Its conditions read the body.
            fetched: FetchedForm::Text,
            starts_late: handler.handlers().any(Self::starts_late),
        };
        Self::built_in(handler, profile)
    }
}

impl ErasedHandler for RoutingHandler {
    fn call(&self, batch: Batch, context: Context) -> BoxFuture<'_, Outcomes> {
        Box::pin(async move {
            let has_order = batch.messages().any(|message| message.system.sequence_number.is_some());
            let batch: Vec<(usize, BatchItem)> =
                batch.into_iter().map(|item| (self.route_of(&item.message), item)).collect();
            Outcomes::Each(if has_order {
                self.handle_in_order(batch, &context).await
            } else {
                self.handle_together(batch, &context).await
            })
        })
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), Unavailable>> {
        Box::pin(async move {
            for handler in self.handlers() {
                handler.availability().await?;
            }
            Ok(())
        })
    }

    fn doubt(&self) -> BoxFuture<'_, Option<String>> {
        let doubts = self.handlers().map(AnyHandler::doubt);
        future::join_all(doubts).map(|doubts| doubts.into_iter().flatten().next()).boxed()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        future::join_all(self.handlers().map(AnyHandler::close)).map(drop).boxed()
    }

    fn weigh(&self, message: &Message) -> usize {
        match self.target(self.route_of(message)) {
            RouteEnd::Handler(handler) => handler.weigh(message),
            RouteEnd::Reject(_) => message.size_bytes(),
        }
    }

    fn opened(&self, arn: &str) {
        self.handlers().for_each(|handler| handler.opened(arn));
    }

    fn concurrency_changed(&self, concurrency: usize) {
        self.handlers().for_each(|handler| handler.concurrency_changed(concurrency));
    }

    fn register_metrics(&self, scope: &MetricScope) -> FailureCounter {
        // Each kind counts its own failures; time-outs and panics are counted by any of the counters.
        let counters = self.handlers().map(|handler| handler.register_metrics(scope));
        counters.last().unwrap_or_else(|| FailureCounter::of_code(scope))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use serde_json::{Value, json};

    use super::*;
    use crate::handler;

    fn context() -> Context {
        let deadline = tokio::time::Instant::now() + std::time::Duration::from_mins(1);
        Context::new("orders".into(), deadline, tokio_util::sync::CancellationToken::new())
    }

    type Calls = Arc<Mutex<Vec<(&'static str, Vec<String>)>>>;

    /// A handler of batches that notes its calls; a body that begins with `bad` fails.
    fn noting(name: &'static str, calls: &Calls) -> AnyHandler {
        let calls = calls.clone();
        handler::batched(handler::from_batch_fn(move |batch: Batch, _: Context| {
            let bodies: Vec<String> = batch.messages().map(|message| message.body.clone()).collect();
            let failed = |body: &String| body.starts_with("bad").then(|| Outcome::Retry("bad".to_owned()));
            let outcomes = bodies.iter().map(|body| failed(body).unwrap_or(Outcome::Done)).collect();
            calls.lock().unwrap().push((name, bodies));
            async move { Outcomes::Each(outcomes) }
        }))
    }

    /// Groups `a` go to one handler, groups `b` to another, bodies with a `no` are rejected, and the rest goes to the third.
    fn routing(calls: &Calls) -> AnyHandler {
        let http = json!({"kind": "http", "url": "http://127.0.0.1:9/"});
        let routes: Value = json!({
            "1": {"group": "a", "json": {"x": "1"}, "handler": http},
            "2": {"group": ["a", "b"], "handler": {"kind": "exec", "command": ["true"]}},
            "10": {"json": {"no": "*"}, "reject": "no"},
        });
        let routes: Routes = serde_json::from_value(routes).unwrap();
        let build = |settings: &handler::Settings| {
            let name = if matches!(settings, handler::Settings::Http(_)) { "first" } else { "second" };
            Ok::<_, ()>(noting(name, calls))
        };
        RoutingHandler::new(&routes, Some(noting("rest", calls)), build).unwrap().into()
    }

    async fn outcomes(handler: &AnyHandler, messages: &[(&str, &str)], is_fifo: bool) -> Vec<Outcome> {
        let item = |(number, (group, body)): (usize, &(&str, &str))| {
            let mut message = Message::new(number.to_string(), *body);
            message.system.group_id = Some((*group).to_owned());
            message.system.sequence_number = is_fifo.then(|| number.to_string());
            BatchItem::new(message, context())
        };
        let batch = Batch::new(messages.iter().enumerate().map(item).collect()).unwrap();
        handler.call(batch, context()).await.spread(messages.len())
    }

    const RETRY: fn(&Outcome) -> bool = |outcome| matches!(outcome, Outcome::Retry(_));

    #[tokio::test]
    async fn a_batch_is_divided_among_the_first_routes_that_take_its_messages() {
        let calls = Calls::default();
        let routed = routing(&calls);
        let sent = [
            ("a", r#"{"x": 1}"#),
            ("b", "bad"),
            ("c", r#"{"no": 1}"#),
            ("c", "c"),
            ("a", r#"{"x": "1"}"#),
            ("a", "{}"),
        ];
        let outcomes = outcomes(&routed, &sent, false).await;
        assert_eq!(outcomes[0], Outcome::Done);
        assert!(RETRY(&outcomes[1]));
        assert_eq!(outcomes[2], Outcome::Reject("no".to_owned()));
        assert!(outcomes[3..].iter().all(|outcome| *outcome == Outcome::Done));
        let mut calls = calls.lock().unwrap().clone();
        calls.sort();
        let of =
            |name, bodies: &[&str]| (name, bodies.iter().map(|body| (*body).to_owned()).collect::<Vec<_>>());
        let first = of("first", &[r#"{"x": 1}"#, r#"{"x": "1"}"#]);
        assert_eq!(calls, [first, of("rest", &["c"]), of("second", &["bad", "{}"])]);
    }

    #[tokio::test]
    async fn a_group_keeps_its_order_across_routes_and_nothing_behind_a_failed_message_runs() {
        let calls = Calls::default();
        let routed = routing(&calls);
        let sent = [
            ("a", "1"),
            ("a", r#"{"x": 1}"#),
            ("a", "bad"),
            ("a", r#"{"x": 1, "late": 1}"#),
            ("b", "2"),
            ("c", "3"),
            ("a", "4"),
        ];
        let outcomes = outcomes(&routed, &sent, true).await;
        let retried: Vec<_> = (0..7).filter(|position| RETRY(&outcomes[*position])).collect();
        assert_eq!(retried, [2, 3, 6]);
        let calls = calls.lock().unwrap();
        let bodies: Vec<_> = calls.iter().flat_map(|(_, bodies)| bodies).map(String::as_str).collect();
        assert_eq!(bodies, ["1", r#"{"x": 1}"#, "bad", "2", "3"]);
    }

    #[test]
    fn routes_that_cannot_work_are_named() {
        let keys = |routes: Value| {
            let routes: Routes = serde_json::from_value(routes).unwrap();
            let keys = routes
                .validate()
                .iter()
                .map(|problem| problem.key().unwrap().to_string())
                .collect::<Vec<_>>();
            keys.join(" ")
        };
        let reject = json!({"reject": "no"});
        assert_eq!(keys(json!({"1": {"group": "a", "reject": "no"}, "2": reject})), "");
        assert_eq!(keys(json!({"1": reject, "2": {"group": "a", "reject": "no"}})), "2.handler");
        assert_eq!(keys(json!({"1": {}})), "1.handler");
        let exec = json!({"kind": "exec", "command": ["true"]});
        assert_eq!(keys(json!({"1": {"handler": exec, "reject": "no"}})), "1.reject");
        assert_eq!(keys(json!({"1": {"handler": {"kind": "exec", "command": []}}})), "1.handler.command");
        assert_eq!(keys(json!({"1": {"json": {"a": []}, "reject": "no"}})), "1.json.a");
    }
}
