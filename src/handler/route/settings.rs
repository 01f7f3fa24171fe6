//! Settings of routes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{super::settings::Settings, Conditions};
use crate::settings::{Problem, within};

/// The routes of a queue in their order.
///
/// In the configuration file a list of tables; elsewhere a table of them by number, from 1 on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Routes(BTreeMap<u16, RouteSettings>);

/// One route: the messages that meet its conditions go to its handler. In the file `[[queues.<name>.route]]`, in their order; in a variable its number takes the place of the name, from 1 on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub(crate) struct RouteSettings {
    #[serde(flatten)]
    conditions: Conditions,
    /// The handler of these messages; this or `reject`.
    #[schemars(extend("x-like" = "queues.*.handler"))]
    handler: Option<Settings>,
    /// The reason with which these messages are rejected, as if a handler had done so.
    reject: Option<String>,
}

/// The end of a route.
pub(super) enum RouteTarget<'a> {
    Handler(&'a Settings),
    Reject(&'a str),
}

impl schemars::JsonSchema for Routes {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Routes".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let route = generator.subschema_for::<RouteSettings>();
        schemars::json_schema!({
            "anyOf": [{"type": "object", "additionalProperties": route}, {"type": "array", "items": route}]
        })
    }
}

impl Routes {
    /// The routes in their order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &RouteSettings> {
        self.0.values()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The handlers that they name.
    pub(crate) fn handlers(&self) -> impl Iterator<Item = &Settings> {
        self.iter().filter_map(|route| route.handler.as_ref())
    }

    /// The handlers that they name, to be changed.
    pub(crate) fn handlers_mut(&mut self) -> impl Iterator<Item = &mut Settings> {
        self.0.values_mut().filter_map(|route| route.handler.as_mut())
    }

    /// True if every message meets the conditions of one.
    pub(crate) fn take_all(&self) -> bool {
        self.0.values().any(|route| route.conditions.are_none())
    }

    /// Finds every setting that cannot work.
    pub(crate) fn validate(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut takes_all = None;
        for (number, route) in &self.0 {
            let mut of_route = route.validate();
            if let Some(all) = takes_all {
                let problem = Problem::new("handler", "no message comes this far");
                of_route.push(
                    problem.with_hint(format!("route {all} has no condition and takes all: put it last")),
                );
            }
            problems.extend(within(&number.to_string(), of_route));
            takes_all = takes_all.or_else(|| route.conditions.are_none().then_some(*number));
        }
        problems
    }
}

impl RouteSettings {
    pub(super) fn conditions(&self) -> &Conditions {
        &self.conditions
    }

    pub(super) fn target(&self) -> RouteTarget<'_> {
        match (&self.handler, &self.reject) {
            (Some(handler), _) => RouteTarget::Handler(handler),
            (None, reject) => RouteTarget::Reject(reject.as_deref().unwrap_or("rejected by its route")),
        }
    }

    fn validate(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        match (&self.handler, &self.reject) {
            (Some(handler), None) => problems.extend(within("handler", handler.validate())),
            (None, Some(_)) => {}
            (Some(_), Some(_)) => {
                let problem = Problem::new("reject", "the route has a handler already");
                problems.push(problem.with_hint("keep one of the two"));
            }
            (None, None) => {
                let problem = Problem::new("handler", "the route leads nowhere");
                problems.push(problem.with_hint("give it a handler section, or a reason to reject"));
            }
        }
        let Conditions { attribute, json, .. } = &self.conditions;
        for (table, conditions) in [("attribute", attribute), ("json", json)] {
            let empty = conditions.iter().filter(|(_, patterns)| patterns.is_empty());
            problems.extend(empty.map(|(name, _)| {
                let key = crate::settings::Key::new([table, name]);
                Problem::of(key, "no message meets an empty list").with_allowed("a value, or several")
            }));
        }
        problems
    }
}
