//! What ECS puts into the environment of every container of a task.

use url::Url;

use crate::telemetry::events;

/// Where the ECS agent is reached, as it tells each container.
///
/// Read by [`config`](crate::config), which alone reads the environment; empty anywhere but on ECS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// `ECS_AGENT_URI`: where the task's protection is set.
    pub agent: Option<Url>,
    /// `ECS_CONTAINER_METADATA_URI_V4`: where the task is described.
    pub metadata: Option<Url>,
}

impl Surroundings {
    /// The variable of the agent.
    pub const AGENT: &str = "ECS_AGENT_URI";
    /// The variable of the metadata.
    pub const METADATA: &str = "ECS_CONTAINER_METADATA_URI_V4";

    /// The surroundings that these variables tell; an address that is none counts as absent, and a warning says so.
    pub fn of(variable: impl Fn(&str) -> Option<String>) -> Self {
        let url = |name: &str| {
            let text = variable(name).filter(|text| !text.is_empty())?;
            let parsed = Url::parse(&text).ok().filter(|url| url.scheme() == "http" && url.has_host());
            if parsed.is_none() {
                events::AddressUnusable { variable: name }.emit();
            }
            parsed
        };
        Self { agent: url(Self::AGENT), metadata: url(Self::METADATA) }
    }

    /// Whether the process is in a task of ECS.
    pub fn is_ecs(&self) -> bool {
        self.agent.is_some() || self.metadata.is_some()
    }
}

/// An address below one that the agent gave.
pub(super) fn below(base: &Url, path: &str) -> String {
    format!("{}{path}", base.as_str().trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(agent: &str) -> Surroundings {
        Surroundings::of(|name| (name == Surroundings::AGENT).then(|| agent.to_owned()))
    }

    #[test]
    fn a_process_is_on_ecs_when_the_agent_says_where_it_is() {
        let on = of("http://169.254.170.2/api/0123");
        assert!(on.is_ecs() && on.metadata.is_none());
        assert_eq!(below(&on.agent.unwrap(), "/task"), "http://169.254.170.2/api/0123/task");
        assert!(!Surroundings::of(|_| None).is_ecs());
    }

    #[test]
    fn an_address_that_is_none_is_gone_without() {
        for text in ["", "169.254.170.2", "ftp://h/", "http://"] {
            assert_eq!(of(text), Surroundings::default(), "{text:?}");
        }
    }
}
