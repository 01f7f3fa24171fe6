//! The live page: its files, which are compiled in, and the headers that bind a browser to them.
//!
//! Nothing builds the files: a browser gets them as they are here.

use axum::{
    Router,
    http::{HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
    routing::get,
};

/// The page runs no script and loads nothing but its own files, whatever a queue's or a message's texts hold.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The headers of every answer of the server.
const HEADERS: [(HeaderName, HeaderValue); 4] = [
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
];

/// One file of the page.
#[derive(Clone, Copy, Debug)]
struct PageFile {
    path: &'static str,
    content_type: &'static str,
    text: &'static str,
}

const FILES: [PageFile; 4] = [
    PageFile { path: "/", content_type: "text/html; charset=utf-8", text: include_str!("page/index.html") },
    PageFile {
        path: "/page.js",
        content_type: "text/javascript; charset=utf-8",
        text: include_str!("page/page.js"),
    },
    PageFile {
        path: "/page.css",
        content_type: "text/css; charset=utf-8",
        text: include_str!("page/page.css"),
    },
    PageFile { path: "/icon.svg", content_type: "image/svg+xml", text: include_str!("page/icon.svg") },
];

/// Adds the routes of the page's files.
pub(super) fn with_files<S: Clone + Send + Sync + 'static>(router: Router<S>) -> Router<S> {
    FILES.into_iter().fold(router, |router, PageFile { path, content_type, text }| {
        router.route(
            path,
            get(move || async move { ([(header::CONTENT_TYPE, content_type)], text).into_response() }),
        )
    })
}

/// Adds the headers that bind a browser to the page's own files.
pub(super) async fn with_headers(mut response: Response) -> Response {
    response.headers_mut().extend(HEADERS);
    response
}
