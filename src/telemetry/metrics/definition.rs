//! Declarations of metrics: each part names its metrics once, in a group.

use super::MetricScope;

/// The declaration of one metric.
#[derive(Clone, Copy, Debug)]
pub struct MetricDefinition {
    /// The name in Prometheus's form.
    pub name: &'static str,
    /// Counter, gauge or histogram.
    pub kind: MetricKind,
    /// The labels, in order.
    pub labels: &'static [LabelDefinition],
    /// One sentence for the reference page and for `# HELP`.
    pub help: &'static str,
    /// The values that the label of a name can have, where they are a closed set.
    pub values: fn(&str) -> Option<Vec<&'static str>>,
}

/// The kind of a metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MetricKind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts observations by size, in buckets with these upper bounds.
    Histogram(&'static [f64]),
}

impl MetricKind {
    /// Returns the kind with these buckets.
    #[must_use]
    pub const fn with_buckets(self, buckets: &'static [f64]) -> Self {
        match self {
            Self::Histogram(_) => Self::Histogram(buckets),
            other => other,
        }
    }
}

/// One label of a metric.
#[derive(Clone, Copy, Debug)]
pub struct LabelDefinition {
    /// The name.
    pub name: &'static str,
    /// The value, where all series of the metric have the same.
    pub constant: Option<&'static str>,
}

/// The metrics of one part, on one queue or for the process.
pub trait MetricGroup: Sized + Send + Sync + 'static {
    /// The declarations, in the order of the reference page.
    const DEFINITIONS: &'static [MetricDefinition];

    /// Registers the metrics where needed, and resolves the handles for a scope.
    fn register(scope: &MetricScope) -> Self;
}

/// Declares the metrics of a part: a struct with a handle for each, and the definitions of all.
///
/// A field's documentation is the help text. After the name stand the labels; those that neither have a constant nor
/// come from the handle's own [`Label`](crate::telemetry::Label)s are filled from the scope: `queue`,
/// `messaging_system`, `messaging_destination_name`. `buckets` belongs to histograms; `starting with` makes series of
/// these label values appear at zero.
///
/// ```text
/// metric_group! {
///     /// Metrics of leases.
///     pub struct LeaseMetrics {
///         /// Leases extended.
///         pub extensions: IntCounter = "longshore_lease_extensions_total" ["queue"];
///     }
/// }
/// ```
macro_rules! metric_group {
    (
        $(#[$doc:meta])*
        $visibility:vis struct $group:ident {
            $(
                $(#[doc = $help:literal])+
                $field_visibility:vis $field:ident: $handle:ty = $name:literal
                    [$($label:literal $(= $constant:expr)?),*]
                    $(buckets $buckets:expr)?
                    $(, starting with $start:expr)?;
            )*
        }
    ) => {
        $(#[$doc])*
        $visibility struct $group {
            $($(#[doc = $help])+ $field_visibility $field: $handle,)*
        }

        impl $crate::telemetry::MetricGroup for $group {
            const DEFINITIONS: &'static [$crate::telemetry::MetricDefinition] = &[
                $($crate::telemetry::metric_definition!(
                    $handle, $name, [$($label $(= $constant)?),*], concat!($($help),+) $(, $buckets)?
                ),)*
            ];

            fn register(scope: &$crate::telemetry::MetricScope) -> Self {
                $(
                    let $field: $handle = scope.resolve(const { &$crate::telemetry::metric_definition!(
                        $handle, $name, [$($label $(= $constant)?),*], concat!($($help),+) $(, $buckets)?
                    ) });
                    $($field.begin($start);)?
                )*
                Self { $($field,)* }
            }
        }
    };
}

/// The definition of one metric of a [`metric_group`].
macro_rules! metric_definition {
    (
        $handle:ty, $name:literal, [$($label:literal $(= $constant:expr)?),*], $help:expr $(, $buckets:expr)?
    ) => {
        $crate::telemetry::MetricDefinition {
            name: $name,
            kind: <<$handle as $crate::telemetry::Handle>::Metric as $crate::telemetry::Metric>::KIND
                $(.with_buckets($buckets))?,
            labels: &[$($crate::telemetry::LabelDefinition {
                name: $label,
                constant: $crate::telemetry::metric_constant!($($constant)?),
            }),*],
            // A doc comment's line begins with a space.
            help: $help.trim_ascii(),
            values: <$handle as $crate::telemetry::Handle>::label_values,
        }
    };
}

/// The constant value of a label, if it has one.
macro_rules! metric_constant {
    () => {
        None
    };
    ($constant:expr) => {
        Some($constant)
    };
}

pub(crate) use {metric_constant, metric_definition, metric_group};

/// No metrics, for parts that need none of their own.
impl MetricGroup for () {
    const DEFINITIONS: &'static [MetricDefinition] = &[];

    fn register(_: &MetricScope) -> Self {}
}
