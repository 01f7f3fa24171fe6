//! Kubernetes: whether the process runs in a pod, and how long the pod lets it stop.

use std::{ffi::OsString, net::SocketAddr, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{duration::Span, settings::Problem};

/// The variable that Kubernetes sets in every container.
const SERVICE_HOST: &str = "KUBERNETES_SERVICE_HOST";
/// The grace period of a pod that does not set one.
const USUAL: Span = Span::secs(30);
/// The shortest grace period: with 0 Kubernetes kills at once.
const SHORTEST: Span = Span::secs(1);
/// The longest that is of use: SQS hides no message for longer.
const LONGEST: Span = Span::secs(12 * 60 * 60);

/// The worker in a pod of Kubernetes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Settings {
    /// The `terminationGracePeriodSeconds` of the worker's pod, less the time of a `preStop` hook. Kubernetes does not pass it to containers: absent, 30s are assumed in a pod. `drain.limit` follows from it unless it is set.
    pub(crate) termination_grace_period: Option<Span>,
    /// True in a pod: found in the environment, and no setting.
    #[serde(skip)]
    pub(crate) is_pod: bool,
}

impl Settings {
    /// These settings in the environment with these variables.
    pub(crate) fn in_environment(self, variables: &[(OsString, OsString)]) -> Self {
        let is_set = |(name, value): &(OsString, OsString)| name == SERVICE_HOST && !value.is_empty();
        Self { is_pod: variables.iter().any(is_set), ..self }
    }

    /// The time from SIGTERM to SIGKILL: the set one, or in a pod the usual one.
    pub(crate) fn grace_period(&self) -> Option<Duration> {
        let usual = self.is_pod.then_some(USUAL);
        self.termination_grace_period.or(usual).map(|Span(period)| period)
    }

    /// True in a pod whose grace period is assumed, because it is not set.
    pub(crate) fn is_assumed(&self) -> bool {
        self.is_pod && self.termination_grace_period.is_none()
    }

    /// True for an address that neither the kubelet's HTTP probes nor scrapers reach: loopback, in a pod.
    pub(crate) fn is_beyond_probes(&self, listen: SocketAddr) -> bool {
        self.is_pod && listen.ip().to_canonical().is_loopback()
    }

    /// Finds a grace period with which no stop works.
    pub(crate) fn validate(&self) -> Vec<Problem> {
        let is_allowed = |period: Span| (SHORTEST..=LONGEST).contains(&period);
        let period = self.termination_grace_period.filter(|period| !is_allowed(*period));
        let problem = |period| {
            Problem::new("termination_grace_period", "out of range")
                .with_value(period)
                .with_allowed(format!("{SHORTEST} to {LONGEST}"))
        };
        period.map(problem).into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_environment(name: &str, value: &str, period: Option<u64>) -> Settings {
        let set = Settings { termination_grace_period: period.map(Span::secs), ..Settings::default() };
        set.in_environment(&[(name.into(), value.into())])
    }

    #[test]
    fn the_usual_grace_period_is_assumed_in_a_pod_alone() {
        let of = |name: &str, value: &str, period| {
            let settings = in_environment(name, value, period);
            (settings.grace_period().map(|period| period.as_secs()), settings.is_assumed())
        };
        assert_eq!(of(SERVICE_HOST, "10.100.0.1", None), (Some(30), true));
        assert_eq!(of(SERVICE_HOST, "10.100.0.1", Some(120)), (Some(120), false));
        assert_eq!(of(SERVICE_HOST, "", None), (None, false));
        assert_eq!(of("HOME", "/", None), (None, false));
        assert_eq!(of("HOME", "/", Some(120)), (Some(120), false));
    }

    #[test]
    fn probes_reach_every_address_but_loopback() {
        let is_beyond = |listen: &str, value| {
            in_environment(SERVICE_HOST, value, None).is_beyond_probes(listen.parse().unwrap())
        };
        for listen in ["127.0.0.1:9090", "[::1]:9090", "[::ffff:127.0.0.1]:9090"] {
            assert!(is_beyond(listen, "10.100.0.1"), "{listen}");
            assert!(!is_beyond(listen, ""), "{listen}, in no pod");
        }
        for listen in ["0.0.0.0:9090", "[::]:9090", "10.1.2.3:9090"] {
            assert!(!is_beyond(listen, "10.100.0.1"), "{listen}");
        }
    }

    #[test]
    fn a_grace_period_has_limits() {
        let problems = |period| in_environment("HOME", "/", Some(period)).validate().len();
        assert_eq!([0, 1, 43_200, 43_201].map(problems), [1, 0, 0, 1]);
    }
}
