//! The page for people.

/// The list of the other pages.
pub(super) const INDEX: &str = r#"<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Longshore</title>
<style>body { font: 1rem/1.5 system-ui, sans-serif; margin: 3rem auto; max-width: 40rem; padding: 0 1rem }</style>
<h1>Longshore</h1>
<ul>
<li><a href="/livez">/livez</a>: 200 while every loop makes progress</li>
<li><a href="/readyz">/readyz</a>: 200 while messages can be received and handled</li>
<li><a href="/metrics">/metrics</a>: the numbers, for Prometheus</li>
<li><a href="/status">/status</a>: the state of every queue, as JSON</li>
</ul>
</html>
"#;
