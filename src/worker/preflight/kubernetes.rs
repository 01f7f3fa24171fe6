//! Checks the pod: that a stop fits into its grace period, and that probes reach the admin server.

use super::{Code, Finding};
use crate::{config::Settings, duration::Span, stop};

/// Finds the settings with which a pod is killed too early, or not probed.
pub(super) fn check(settings: &Settings) -> Vec<Finding> {
    check_stop(settings).into_iter().chain(check_admin(settings)).collect()
}

fn check_stop(settings: &Settings) -> Option<Finding> {
    let limit = Span(settings.drain_limit());
    if settings.is_grace_period_unknown() {
        let message = format!("the drain limit is {limit}, and when Kubernetes kills is not known");
        return Some(Finding::new(Code::GracePeriodUnknown, message));
    }
    let period = settings.kubernetes.grace_period()?;
    let message = || format!("drain.limit is {limit}, and Kubernetes kills {} after SIGTERM", Span(period));
    let is_too_long = settings.drain.limit.is_some() && limit.0 > stop::Settings::longest_within(period);
    is_too_long.then(|| Finding::new(Code::DrainLimit, message()))
}

fn check_admin(settings: &Settings) -> Option<Finding> {
    let listen = settings.admin.listen;
    let message = || format!("admin.listen is {listen}, which nothing outside of the container reaches");
    settings.kubernetes.is_beyond_probes(listen).then(|| Finding::new(Code::AdminOnLoopback, message()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The findings in a pod, or elsewhere, with this drain limit and grace period.
    fn codes(is_pod: bool, limit: Option<u64>, period: Option<u64>) -> Vec<Code> {
        let mut settings = Settings::default();
        settings.admin.listen = "0.0.0.0:9090".parse().unwrap();
        settings.drain.limit = limit.map(Span::secs);
        settings.kubernetes.termination_grace_period = period.map(Span::secs);
        settings.kubernetes.is_pod = is_pod;
        check(&settings).into_iter().map(|found| found.code).collect()
    }

    #[test]
    fn a_drain_limit_must_fit_into_the_grace_period() {
        for is_pod in [true, false] {
            assert_eq!(codes(is_pod, None, Some(60)), [], "it follows from the grace period");
            assert_eq!(codes(is_pod, Some(50), Some(60)), []);
            assert_eq!(codes(is_pod, Some(51), Some(60)), [Code::DrainLimit]);
            assert_eq!(codes(is_pod, Some(7), Some(15)), [], "as it would follow");
        }
    }

    #[test]
    fn a_grace_period_that_is_not_set_is_unknown_unless_the_drain_limit_fits_into_the_usual_one() {
        assert_eq!(codes(true, None, None), [Code::GracePeriodUnknown]);
        assert_eq!(codes(true, Some(21), None), [Code::GracePeriodUnknown]);
        assert_eq!(codes(true, Some(20), None), []);
        assert_eq!(codes(false, Some(110), None), []);
    }

    #[test]
    fn an_admin_server_on_loopback_is_reported_in_a_pod_alone() {
        let mut settings = Settings::default();
        assert_eq!(check_admin(&settings), None);
        settings.kubernetes.is_pod = true;
        assert_eq!(check_admin(&settings).map(|found| found.code), Some(Code::AdminOnLoopback));
    }
}
