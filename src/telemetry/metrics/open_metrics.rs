//! Encodes metrics in OpenMetrics' text format, version 1.0.

use std::{
    fmt::{self, Write as _},
    time::UNIX_EPOCH,
};

use prometheus::proto::{LabelPair, Metric, MetricFamily, MetricType};

use super::histogram::{Exemplar, Histogram};

/// A text format of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MetricsFormat {
    /// Prometheus's own, version 0.0.4.
    Prometheus,
    /// OpenMetrics, version 1.0.
    OpenMetrics,
}

impl MetricsFormat {
    /// Its media type.
    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// The end of a counter's name, which its family has not.
const TOTAL: &str = "_total";

/// The text of these families; `histogram` finds a histogram.
pub(super) fn open_metrics(
    families: &[MetricFamily],
    histogram: impl Fn(&str, &[LabelPair]) -> Option<Histogram>,
) -> String {
    let mut text = String::new();
    for family in families {
        // Writing into a String cannot fail.
        let _infallible = write_family(&mut text, family, &histogram);
    }
    text.push_str("# EOF\n");
    text
}

fn write_family(
    text: &mut String,
    family: &MetricFamily,
    histogram: impl Fn(&str, &[LabelPair]) -> Option<Histogram>,
) -> fmt::Result {
    let (name, kind) = name_and_kind(family);
    writeln!(text, "# TYPE {name} {kind}")?;
    if !family.help().is_empty() {
        writeln!(text, "# HELP {name} {}", Escaped(family.help()))?;
    }
    for metric in family.get_metric() {
        let labels = metric.get_label();
        match family.get_field_type() {
            MetricType::COUNTER => {
                sample(text, family.name(), labels, Number(metric.get_counter().get_value()))?;
            }
            MetricType::HISTOGRAM => write_histogram(text, name, metric, histogram(name, labels).as_ref())?,
            MetricType::GAUGE | MetricType::SUMMARY | MetricType::UNTYPED => {
                sample(text, name, labels, Number(metric.get_gauge().get_value()))?;
            }
        }
    }
    Ok(())
}

/// A counter without the end that OpenMetrics demands, which a program may have, has no type.
fn name_and_kind(family: &MetricFamily) -> (&str, &'static str) {
    let name = family.name();
    match family.get_field_type() {
        MetricType::COUNTER => name.strip_suffix(TOTAL).map_or((name, "unknown"), |stem| (stem, "counter")),
        MetricType::HISTOGRAM => (name, "histogram"),
        MetricType::GAUGE => (name, "gauge"),
        MetricType::SUMMARY | MetricType::UNTYPED => (name, "unknown"),
    }
}

fn write_histogram(
    text: &mut String,
    name: &str,
    metric: &Metric,
    histogram: Option<&Histogram>,
) -> fmt::Result {
    let exemplars = histogram.map(Histogram::exemplars).unwrap_or_default();
    let (labels, histogram) = (metric.get_label(), metric.get_histogram());
    let count = histogram.get_sample_count();
    let finite = histogram.get_bucket().iter().filter(|bucket| bucket.upper_bound().is_finite());
    let bounds = finite.map(|bucket| (bucket.upper_bound(), bucket.cumulative_count()));
    for (position, (bound, cumulative)) in bounds.chain([(f64::INFINITY, count)]).enumerate() {
        let le = Number(bound).to_bound();
        write!(text, "{name}_bucket")?;
        write_labels(text, labels.iter().map(pair).chain([("le", &*le)]))?;
        write!(text, " {cumulative}")?;
        if let Some(exemplar) = exemplars.get(&position) {
            write_exemplar(text, exemplar)?;
        }
        text.push('\n');
    }
    sample(text, &format!("{name}_sum"), labels, Number(histogram.get_sample_sum()))?;
    sample(text, &format!("{name}_count"), labels, count)
}

fn write_exemplar(text: &mut String, Exemplar { value, at, trace }: &Exemplar) -> fmt::Result {
    let (trace_id, span_id) = (trace.trace_id(), trace.span_id());
    let at = at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    write!(text, " # {{trace_id=\"{trace_id}\",span_id=\"{span_id}\"}} {} {at:.3}", Number(*value))
}

fn sample(text: &mut String, name: &str, labels: &[LabelPair], value: impl fmt::Display) -> fmt::Result {
    text.push_str(name);
    write_labels(text, labels.iter().map(pair))?;
    writeln!(text, " {value}")
}

fn pair(label: &LabelPair) -> (&str, &str) {
    (label.name(), label.value())
}

fn write_labels<'a>(text: &mut String, labels: impl Iterator<Item = (&'a str, &'a str)>) -> fmt::Result {
    let mut before = '{';
    for (name, value) in labels {
        write!(text, "{before}{name}=\"{}\"", Escaped(value))?;
        before = ',';
    }
    if before == ',' {
        text.push('}');
    }
    Ok(())
}

/// A number as OpenMetrics writes it.
struct Number(f64);

impl Number {
    /// The label of a bucket with this bound, always with a fraction: `1.0`.
    fn to_bound(&self) -> String {
        if self.0.is_finite() { format!("{:?}", self.0) } else { self.to_string() }
    }
}

impl fmt::Display for Number {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            f64::INFINITY => formatter.write_str("+Inf"),
            f64::NEG_INFINITY => formatter.write_str("-Inf"),
            number => write!(formatter, "{number}"),
        }
    }
}

/// A text whose backslashes, quotes and line ends are escaped.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in self.0.split_inclusive(['\\', '"', '\n']) {
            let (plain, escape) = match part.char_indices().next_back() {
                Some((at, '\\')) => (&part[..at], "\\\\"),
                Some((at, '"')) => (&part[..at], "\\\""),
                Some((at, '\n')) => (&part[..at], "\\n"),
                _ => (part, ""),
            };
            formatter.write_str(plain)?;
            formatter.write_str(escape)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use prometheus::{Gauge, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts, Registry};

    use super::*;

    fn registry() -> Registry {
        let registry = Registry::new();
        let ended = IntCounterVec::new(Opts::new("ended_total", "Say \"hi\"\\\n."), &["queue"]).unwrap();
        ended.with_label_values(&["a\"b\\c\nd"]).inc_by(3);
        let seconds = HistogramOpts::new("wait_seconds", "Waits.").buckets(vec![0.005, 1.0, 43_200.0]);
        let seconds = HistogramVec::new(seconds, &["queue"]).unwrap();
        for value in [0.5, 2.0, 1e6] {
            seconds.with_label_values(&["orders"]).observe(value);
        }
        let level = Gauge::new("level", "Level.").unwrap();
        level.set(f64::NEG_INFINITY);
        let odd = IntCounter::new("odd", "Of the program.").unwrap();
        registry.register(Box::new(ended)).unwrap();
        registry.register(Box::new(seconds)).unwrap();
        registry.register(Box::new(level)).unwrap();
        registry.register(Box::new(odd)).unwrap();
        registry
    }

    #[test]
    fn every_kind_is_written_as_the_specification_says() {
        let expected = r#"# TYPE ended counter
# HELP ended Say \"hi\"\\\n.
ended_total{queue="a\"b\\c\nd"} 3
# TYPE level gauge
# HELP level Level.
level -Inf
# TYPE odd unknown
# HELP odd Of the program.
odd 0
# TYPE wait_seconds histogram
# HELP wait_seconds Waits.
wait_seconds_bucket{queue="orders",le="0.005"} 0
wait_seconds_bucket{queue="orders",le="1.0"} 1
wait_seconds_bucket{queue="orders",le="43200.0"} 2
wait_seconds_bucket{queue="orders",le="+Inf"} 3
wait_seconds_sum{queue="orders"} 1000002.5
wait_seconds_count{queue="orders"} 3
# EOF
"#;
        assert_eq!(open_metrics(&registry().gather(), |_, _| None), expected);
    }
}
