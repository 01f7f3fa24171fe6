//! Chooses the form of a scrape by the request's `Accept` and `Accept-Encoding`; pure.

use std::io::{self, Write as _};

use axum::http::{HeaderMap, HeaderName, header};
use flate2::{Compression, write::GzEncoder};

use crate::telemetry::MetricsFormat;

/// The form in which a scrape is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ScrapeForm {
    pub(super) format: MetricsFormat,
    pub(super) coding: Coding,
}

/// The coding of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Identity,
    Gzip,
}

impl ScrapeForm {
    /// The form that these headers prefer: Prometheus's format, uncompressed, if they ask for nothing else.
    pub(super) fn wanted(headers: &HeaderMap) -> Self {
        let (mut open_metrics, mut prometheus) = (0.0, 0.0);
        for (name, weight) in weighted(headers, &header::ACCEPT) {
            let best = match &*name {
                "application/openmetrics-text" => &mut open_metrics,
                "text/plain" | "text/*" | "*/*" => &mut prometheus,
                _ => continue,
            };
            *best = weight.max(*best);
        }
        let is_gzip = weighted(headers, &header::ACCEPT_ENCODING)
            .any(|(name, weight)| matches!(&*name, "gzip" | "x-gzip") && weight > 0.0);
        Self {
            format: if open_metrics > prometheus {
                MetricsFormat::OpenMetrics
            } else {
                MetricsFormat::Prometheus
            },
            coding: if is_gzip { Coding::Gzip } else { Coding::Identity },
        }
    }
}

impl Coding {
    /// The body in this coding.
    pub(super) fn encoded(self, text: String) -> io::Result<Vec<u8>> {
        match self {
            Self::Identity => Ok(text.into_bytes()),
            Self::Gzip => {
                let mut encoder = GzEncoder::new(Vec::with_capacity(text.len() / 8), Compression::fast());
                encoder.write_all(text.as_bytes())?;
                encoder.finish()
            }
        }
    }
}

/// The elements of a header in lower case, each with its weight `q`; a version of OpenMetrics other than 1 has none.
fn weighted<'h>(
    headers: &'h HeaderMap,
    name: &'h HeaderName,
) -> impl Iterator<Item = (String, f32)> + use<'h> {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(|element| {
        let element = element.to_ascii_lowercase();
        let mut parts = element.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default().to_owned();
        let mut weight = 1.0;
        for (parameter, value) in parts.filter_map(|part| part.split_once('=')) {
            match parameter.trim() {
                "q" => weight = value.trim().parse().unwrap_or(0.0),
                "version" if name == "application/openmetrics-text" && !value.starts_with("1.") => {
                    return (name, 0.0);
                }
                _ => {}
            }
        }
        (name, weight)
    })
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn wanted(accept: &str, encoding: &str) -> (MetricsFormat, Coding) {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, accept.parse().unwrap());
        headers.insert(header::ACCEPT_ENCODING, encoding.parse().unwrap());
        let ScrapeForm { format, coding } = ScrapeForm::wanted(&headers);
        (format, coding)
    }

    #[test]
    fn openmetrics_is_sent_to_those_who_prefer_it() {
        use MetricsFormat::{OpenMetrics, Prometheus};
        let prometheus_3 = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
                            application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;q=0.4,\
                            text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        for (accept, expected) in [
            (prometheus_3, OpenMetrics),
            ("application/openmetrics-text", OpenMetrics),
            ("application/openmetrics-text; version=1.0.0, text/plain;q=0.5", OpenMetrics),
            ("application/openmetrics-text; version=0.0.1", Prometheus),
            ("application/openmetrics-text; q=0", Prometheus),
            ("application/openmetrics-text;q=0.3, */*", Prometheus),
            ("application/openmetrics-text;q=x", Prometheus),
            ("text/plain", Prometheus),
            ("*/*", Prometheus),
            ("", Prometheus),
        ] {
            assert_eq!(wanted(accept, "").0, expected, "{accept}");
        }
        let none = ScrapeForm::wanted(&HeaderMap::new());
        assert_eq!(none, ScrapeForm { format: Prometheus, coding: Coding::Identity });
    }

    #[test]
    fn gzip_is_sent_to_those_who_accept_it() {
        for (encoding, expected) in [
            ("gzip", Coding::Gzip),
            ("deflate, GZIP;q=0.5, br", Coding::Gzip),
            ("gzip;q=0", Coding::Identity),
            ("br", Coding::Identity),
            ("", Coding::Identity),
        ] {
            assert_eq!(wanted("*/*", encoding).1, expected, "{encoding}");
        }
    }

    #[test]
    fn a_compressed_text_is_the_same_text() {
        let text = "longshore_messages_started_total 3\n".repeat(1_000);
        let packed = Coding::Gzip.encoded(text.clone()).unwrap();
        assert!(packed.len() * 10 < text.len(), "{}", packed.len());
        let mut unpacked = String::new();
        flate2::read::GzDecoder::new(&*packed).read_to_string(&mut unpacked).unwrap();
        assert_eq!(unpacked, text);
    }
}
