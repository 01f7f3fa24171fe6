//! The report of all findings, the worst first.

use std::{cmp::Reverse, fmt::Write as _};

use serde_json::{Value, json};

use super::{Finding, Severity};

/// The report of all findings, the worst first.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    findings: Vec<Finding>,
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
    pub(super) fn new(mut findings: Vec<Finding>) -> Self {
        findings.sort_by(|one, other| {
            let key =
                |finding: &Finding| (Reverse(finding.code.severity()), finding.queue.clone(), finding.code);
            key(one).cmp(&key(other))
        });
        Self { findings }
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
        json!({ "verdict": self.verdict().as_str(), "findings": findings })
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
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::preflight::Code;

    fn of(codes: &[Code]) -> Report {
        Report::new(codes.iter().map(|code| Finding::of("orders", *code, "so it is")).collect())
    }

    #[test]
    fn the_worst_finding_decides_and_comes_first() {
        assert_eq!(of(&[]).verdict(), Verdict::Fit);
        assert_eq!(of(&[Code::NoRedrivePolicy, Code::ReceiveUnproven]).verdict(), Verdict::Fit);
        assert_eq!(of(&[Code::NoRedrivePolicy, Code::QueueMissing]).verdict(), Verdict::Unavailable);
        let report = of(&[Code::ReceiveUnproven, Code::QueueMissing, Code::DlqUnfit]);
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
    fn no_secret_is_shown() {
        let finding = Finding::new(Code::HandlerUnreachable, "http://me:hunter2@h/ is down");
        assert!(!finding.to_text().contains("hunter2"));
    }
}
