//! Reads the variables of the network of AWS calls: proxies, trusted certificates and endpoints.

use std::ffi::OsString;

use serde_json::Value;

use super::variables::value;
use crate::{
    aws::Network,
    settings::{Problem, hide_setting, http_url, of_variable},
};

/// The variables with the endpoints of AWS services, which the SDK reads itself.
const ENDPOINTS: [&str; 4] =
    ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SQS", "AWS_ENDPOINT_URL_SNS", "AWS_ENDPOINT_URL_STS"];

/// The problems in the variables, and in the files that they name.
pub(super) fn problems(environment: &[(OsString, OsString)]) -> Vec<Problem> {
    let of_network = Network::of(&|name| value(environment, name)).err();
    let endpoint = |name: &'static str| {
        let url = value(environment, name).filter(|url| !url.is_empty())?;
        let problem = http_url("", Some(&url))?;
        let message = format!("{name}: {}", problem.message());
        Some(Problem::general(message).with_origin(of_variable(name)).with_allowed("an http or https URL"))
    };
    let of_network = of_network.map_or_else(Vec::new, |problems| problems.0);
    of_network.into_iter().chain(ENDPOINTS.into_iter().filter_map(endpoint)).collect()
}

/// The variables that are set, each with its value without credentials.
pub(super) fn shown_variables(environment: &[(OsString, OsString)]) -> Vec<(&'static str, String)> {
    let shown = |name: &'static str| {
        let value = value(environment, name).filter(|value| !value.is_empty())?;
        let shown = hide_setting("url", Value::from(value));
        Some((name, shown.as_str().unwrap_or_default().to_owned()))
    };
    Network::VARIABLES.into_iter().chain(ENDPOINTS).filter_map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
        variables.iter().map(|(name, value)| (name.into(), value.into())).collect()
    }

    #[test]
    fn variables_are_shown_without_the_credentials_of_proxies() {
        let variables = [
            ("HTTPS_PROXY", "http://user:hun/ter2@proxy:3128"),
            ("http_proxy", "user:hunter2@proxy:3128"),
            ("NO_PROXY", ".internal,10.0.0.0/8"),
            ("AWS_CA_BUNDLE", "/etc/ca.pem"),
        ];
        let shown = shown_variables(&environment(&variables));
        let expected = [
            ("HTTPS_PROXY", "http://***@proxy:3128".to_owned()),
            ("http_proxy", "***@proxy:3128".to_owned()),
            ("NO_PROXY", ".internal,10.0.0.0/8".to_owned()),
            ("AWS_CA_BUNDLE", "/etc/ca.pem".to_owned()),
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn an_endpoint_that_is_no_url_is_a_problem_with_its_variable() {
        let of = |url: &str| problems(&environment(&[("AWS_ENDPOINT_URL_SQS", url)]));
        assert_eq!(of("localhost:4566")[0].origin(), Some("environment AWS_ENDPOINT_URL_SQS"));
        assert!(of("http://localhost:4566").is_empty() && of("").is_empty());
    }

    #[test]
    fn a_file_that_is_missing_is_a_problem_with_its_variable() {
        let problems = problems(&environment(&[("AWS_CA_BUNDLE", "/no/such.pem")]));
        assert_eq!(problems[0].origin(), Some("environment AWS_CA_BUNDLE"));
        assert!(problems[0].to_string().contains("/no/such.pem"), "{}", problems[0]);
    }
}
