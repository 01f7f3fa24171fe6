//! Asks the handler for its status with a `HEAD`, and decides whether a post would fail: for `longshore check`.

use reqwest::{StatusCode, header};
use tokio::time::timeout;

use super::{HttpHandler, Settings};
use crate::duration::Span;

/// The time limit of the request.
const LIMIT: Span = Span::secs(10);

/// Returns a doubt about the handler's answers, if there is one; a handler that cannot be reached is none of this.
pub(super) async fn doubt(HttpHandler { client, settings, own_headers, .. }: &HttpHandler) -> Option<String> {
    let request = client.head(settings.url.clone()).headers(own_headers.clone()).send();
    let Ok(answered) = timeout(LIMIT.0, request).await else {
        return Some(format!("no answer to a HEAD within {LIMIT}"));
    };
    let response = answered.ok()?;
    let allowed = response.headers().get(header::ALLOW).and_then(|value| value.to_str().ok());
    let doubt = of_status(settings, response.status(), allowed)?;
    Some(format!("{} answered a HEAD with {}: {doubt}", settings.shown_url(), response.status()))
}

fn of_status(settings: &Settings, status: StatusCode, allowed: Option<&str>) -> Option<&'static str> {
    let is_post_allowed =
        |allowed: &str| allowed.split(',').any(|method| method.trim().eq_ignore_ascii_case("POST"));
    match status {
        _ if status.is_success() || settings.success.contains(&status.as_u16()) => None,
        _ if settings.down.contains(&status.as_u16()) => Some("it is not available"),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Some("the credential may be missing or wrong"),
        StatusCode::NOT_FOUND => Some("the path may be wrong"),
        StatusCode::METHOD_NOT_ALLOWED if allowed.is_some_and(|allowed| !is_post_allowed(allowed)) => {
            Some("it does not allow a POST there")
        }
        _ if status.is_redirection() => Some("a redirect is not followed"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn doubt_of(status: u16, allowed: Option<&str>) -> Option<&'static str> {
        let settings = Settings::new("http://host/").unwrap();
        of_status(&settings, StatusCode::from_u16(status).unwrap(), allowed)
    }

    #[test]
    fn a_wrong_path_method_or_credential_is_doubted() {
        for status in [301, 401, 403, 404, 502] {
            assert!(doubt_of(status, None).is_some(), "{status}");
        }
        assert!(doubt_of(405, Some("GET, HEAD")).is_some());
    }

    #[test]
    fn a_handler_that_takes_posts_alone_is_not_doubted() {
        for (status, allowed) in [(200, None), (204, None), (405, None), (405, Some("post")), (500, None)] {
            assert_eq!(doubt_of(status, allowed), None, "{status}");
        }
    }
}
