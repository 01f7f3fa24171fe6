//! Every metric by name, with its labels and its meaning.

mod definitions;
mod family;
mod page;

pub(super) use self::definitions::Families;
pub use self::{definitions::CATALOG, page::reference};

/// What kind of metric it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts observations by size, in these buckets.
    Histogram(&'static [f64]),
}

/// One metric.
#[derive(Clone, Copy, Debug)]
pub struct Definition {
    /// Its name.
    pub name: &'static str,
    /// Its kind.
    pub kind: Kind,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// Its meaning, in one sentence.
    pub help: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_prometheus_conventions() {
        const NAMESPACES: [&str; 3] = ["longshore_", "messaging_", "process_"];
        for Definition { name, kind, help, .. } in CATALOG {
            assert!(NAMESPACES.iter().any(|namespace| name.starts_with(namespace)), "{name}");
            assert_eq!(name.ends_with("_total"), *kind == Kind::Counter, "{name}");
            assert!(matches!(kind, Kind::Histogram(_)) <= name.ends_with("_seconds"), "{name}");
            assert!(help.ends_with('.'), "{name}");
        }
    }

    #[test]
    fn every_metric_of_the_worker_says_which_queue_it_is_about_or_is_about_the_process() {
        let of_process = |name: &str| {
            name.starts_with("process_")
                || name.starts_with("longshore_drain_")
                || name == "longshore_task_protected"
        };
        for Definition { name, labels, .. } in CATALOG {
            let is_told =
                labels.first() == Some(&"queue") || of_process(name) || *name == "longshore_build_info";
            assert!(is_told, "{name}");
        }
    }

    #[test]
    fn the_buckets_have_the_bounds_that_objectives_are_stated_in() {
        for Definition { name, kind, .. } in CATALOG {
            let Kind::Histogram(buckets) = kind else { continue };
            assert!(buckets.is_sorted(), "{name}");
            if !name.contains("client_operation") {
                assert!([60.0, 300.0].iter().all(|bound| buckets.contains(bound)), "{name}");
            }
        }
    }
}
