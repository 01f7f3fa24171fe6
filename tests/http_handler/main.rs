//! Tests of the `http` kind over real sockets: its requests, and the outcomes of the responses.

mod batches;
mod counts;
mod harness;
mod misbehaving;
mod reasons;
mod requests;
mod well_behaved;

#[test]
fn a_proxy_of_the_environment_is_not_used() {
    // In another process, because the environment is that of the whole process.
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "tests::http_handler::well_behaved::the_body_is_posted_byte_for_byte"]);
    child.env_remove("no_proxy").env_remove("NO_PROXY");
    for name in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
        child.env(name, "http://127.0.0.1:1/");
    }
    let output = child.output().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && stdout.contains("1 passed"), "{stdout}");
}

#[test]
fn an_https_handler_can_be_made_outside_a_runtime() {
    let settings = longshore::handler::http::Settings::new("https://worker.example/").unwrap();
    assert!(longshore::handler::http::HttpHandler::new(settings, "orders").is_ok());
}

#[test]
fn a_handler_does_not_show_its_password() {
    let settings = longshore::handler::http::Settings::new("http://worker:hunter2@127.0.0.1:8080/").unwrap();
    let shown = format!("{:?}", longshore::handler::http::HttpHandler::new(settings, "orders").unwrap());
    assert!(shown.contains("127.0.0.1:8080") && !shown.contains("hunter2"), "{shown}");
}

#[test]
fn invalid_settings_make_no_handler() {
    let settings = longshore::handler::http::Settings::new("ftp://worker.example/").unwrap();
    let error = longshore::handler::http::HttpHandler::new(settings, "orders").unwrap_err().to_string();
    assert!(error.contains("ftp://worker.example/") && error.contains("allowed: "), "{error}");
}
