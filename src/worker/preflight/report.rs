//! The report of all findings, the worst first, and of what was not tried.

use std::{cmp::Reverse, collections::BTreeMap, fmt::Write as _};

use serde_json::{Value, json};

use super::{Finding, Severity};

/// The report of all findings, the worst first, and of what was not tried.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    findings: Vec<Finding>,
    untried: Vec<Untried>,
}

/// A permission that a worker needs and that was not tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Untried {
    /// The configured name of the queue.
    queue: String,
    permission: UntriedPermission,
}

/// A permission that only a message would prove; in the order of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum UntriedPermission {
    /// The receive from a queue.
    Receive,
    /// The send to a queue's DLQ.
    Send,
    /// The read of the objects to which the messages of a queue point.
    Fetch,
}

impl UntriedPermission {
    fn action(self) -> &'static str {
        match self {
            Self::Receive => "sqs:ReceiveMessage",
            Self::Send => "sqs:SendMessage",
            Self::Fetch => "s3:GetObject",
        }
    }

    /// The resource of the action.
    fn of(self) -> &'static str {
        match self {
            Self::Receive => "queue",
            Self::Send => "dlq",
            Self::Fetch => "objects",
        }
    }
}

impl Untried {
    pub(super) fn new(queue: &str, permission: UntriedPermission) -> Self {
        Self { queue: queue.to_owned(), permission }
    }

    fn to_json(&self) -> Value {
        let Self { queue, permission } = self;
        json!({ "queue": queue, "action": permission.action(), "of": permission.of() })
    }
}

/// The verdict on a worker, by its worst finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The worker would work; there may be warnings.
    Fit,
    /// Something that the worker depends on is missing.
    Unavailable,
    /// The settings cannot work.
    Misconfigured,
}

impl Verdict {
    /// The verdict's name in reports.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Fit => "fit",
            Self::Unavailable => "unavailable",
            Self::Misconfigured => "misconfigured",
        }
    }
}

impl Report {
    pub(super) fn new(mut findings: Vec<Finding>, untried: Vec<Untried>) -> Self {
        findings.sort_by(|one, other| {
            let key =
                |finding: &Finding| (Reverse(finding.code.severity()), finding.queue.clone(), finding.code);
            key(one).cmp(&key(other))
        });
        Self { findings, untried }
    }

    /// The findings.
    #[cfg(test)]
    pub(crate) fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// The verdict of the worst finding.
    pub(crate) fn verdict(&self) -> Verdict {
        match self.findings.iter().map(|finding| finding.code.severity()).max() {
            Some(Severity::Misconfigured) => Verdict::Misconfigured,
            Some(Severity::Unavailable) => Verdict::Unavailable,
            Some(Severity::Warning | Severity::Notice) | None => Verdict::Fit,
        }
    }

    /// The report as JSON, for programs.
    pub(crate) fn to_json(&self) -> Value {
        let findings: Vec<_> = self.findings.iter().map(Finding::to_json).collect();
        let untried: Vec<_> = self.untried.iter().map(Untried::to_json).collect();
        json!({ "verdict": self.verdict().as_str(), "findings": findings, "untried": untried })
    }

    /// The report as text, for people.
    pub(crate) fn to_text(&self) -> String {
        let mut text: String = self.findings.iter().map(|finding| finding.to_text() + "\n").collect();
        let count = |severity: &str| {
            let count =
                self.findings.iter().filter(|finding| finding.code.severity().as_str() == severity).count();
            format!("{count} {severity}{}", if count == 1 { "" } else { "s" })
        };
        let counts = ["error", "warning", "notice"].map(count).join(", ");
        // Writing into a String cannot fail.
        let _infallible = writeln!(text, "{}: {counts}", self.verdict().as_str());
        text + &self.untried_text()
    }

    /// One line of what was not tried, or none.
    fn untried_text(&self) -> String {
        let mut queues: BTreeMap<_, Vec<&str>> = BTreeMap::new();
        for Untried { queue, permission } in &self.untried {
            queues.entry(*permission).or_default().push(queue);
        }
        let actions = queues.iter().map(|(permission, queues)| {
            let of = match permission {
                UntriedPermission::Receive => "",
                UntriedPermission::Send => "the dlq of ",
                UntriedPermission::Fetch => "the objects of ",
            };
            format!("{} on {of}{}", permission.action(), queues.join(", "))
        });
        match actions.collect::<Vec<_>>().join("; ") {
            actions if actions.is_empty() => actions,
            actions => format!("not tried, because only a message proves it: {actions}\n"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::preflight::Code;

    fn of(codes: &[Code]) -> Report {
        Report::new(codes.iter().map(|code| Finding::of("orders", *code, "so it is")).collect(), Vec::new())
    }

    #[test]
    fn the_worst_finding_decides_and_comes_first() {
        assert_eq!(of(&[]).verdict(), Verdict::Fit);
        assert_eq!(of(&[Code::NoRedrivePolicy, Code::KmsUnproven]).verdict(), Verdict::Fit);
        assert_eq!(of(&[Code::NoRedrivePolicy, Code::QueueMissing]).verdict(), Verdict::Unavailable);
        let report = of(&[Code::KmsUnproven, Code::QueueMissing, Code::DlqUnfit]);
        assert_eq!(report.verdict(), Verdict::Misconfigured);
        assert_eq!(report.findings()[0].code, Code::DlqUnfit);
    }

    #[test]
    fn the_text_and_the_json_have_the_same_findings() {
        let report = of(&[Code::NoRedrivePolicy, Code::QueueMissing]);
        let text = report.to_text();
        assert!(
            text.starts_with("error    queue-missing\n  queue orders: so it is\n  fix: create"),
            "{text}"
        );
        assert!(text.ends_with("unavailable: 1 error, 1 warning, 0 notices\n"), "{text}");
        let json = report.to_json();
        assert_eq!(
            (&json["verdict"], &json["findings"][1]["code"]),
            (&"unavailable".into(), &"no-redrive-policy".into())
        );
    }

    #[test]
    fn what_was_not_tried_is_no_finding_but_a_line_of_its_own() {
        let untried = [
            ("orders", UntriedPermission::Receive),
            ("orders", UntriedPermission::Send),
            ("orders", UntriedPermission::Fetch),
            ("mails", UntriedPermission::Receive),
        ];
        let untried = untried.map(|(queue, permission)| Untried::new(queue, permission)).to_vec();
        let report = Report::new(Vec::new(), untried);
        assert_eq!(
            report.to_text(),
            "fit: 0 errors, 0 warnings, 0 notices\n\
             not tried, because only a message proves it: sqs:ReceiveMessage on orders, mails; \
             sqs:SendMessage on the dlq of orders; s3:GetObject on the objects of orders\n"
        );
        let sends = json!({ "queue": "orders", "action": "sqs:SendMessage", "of": "dlq" });
        assert_eq!(report.to_json()["untried"][1], sends);
    }

    #[test]
    fn no_secret_is_shown() {
        let finding = Finding::new(Code::HandlerUnreachable, "http://me:hunter2@h/ is down");
        assert!(!finding.to_text().contains("hunter2"));
    }
}
