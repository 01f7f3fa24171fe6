//! The pages: the generated ones are fresh, and the examples on them work.

use std::path::{Path, PathBuf};

use longshore::{
    Metrics, config, telemetry,
    worker::preflight::{Code, Severity},
};

use self::queue_use::{QueueUse, reach_all, series};
use crate::support::index;

#[path = "../examples/bench/queue_use.rs"]
mod queue_use;

/// Compares a generated page with the file; `LONGSHORE_BLESS=1` writes the file instead.
#[expect(clippy::disallowed_methods, reason = "an option of the tests, not a setting")]
fn assert_fresh(path: &str, text: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("LONGSHORE_BLESS").is_some() {
        std::fs::write(&file, text).unwrap();
    }
    let written = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(written == text, "{path} is stale, hint: make docs");
}

#[test]
fn docs_configuration_is_fresh() {
    assert_fresh("docs/configuration.md", &config::reference());
}

#[test]
fn docs_metrics_is_fresh() {
    assert_fresh("docs/metrics.md", &longshore::worker::metrics_reference());
}

#[test]
fn the_numbers_of_series_in_the_page_are_those_of_a_scrape() {
    let page = longshore::worker::metrics_reference();
    let (_, table) = page.split_once("| queues | typical: series |").unwrap();
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let number = |cell: &str| cell.trim().replace(',', "").parse::<usize>().unwrap();
    let mut compared = 0;
    for row in rows {
        let cells: Vec<_> = row.split('|').collect();
        let (queues, typical, worst) = (number(cells[1]), number(cells[2]), number(cells[4]));
        // A thousand take a debug build seconds, and grow as a hundred do.
        if queues > 100 {
            continue;
        }
        let metrics = Metrics::new();
        let counted = [QueueUse::Open, QueueUse::Working, QueueUse::SeenAll].map(|state| {
            reach_all(&metrics, queues, state);
            series(&metrics.text())
        });
        assert_eq!([typical, worst], counted[1..], "{queues} queues, hint: bench_series prints them");
        if queues == 100 {
            let [open, working] = [counted[0] / queues, counted[1] / queues];
            let (idle, typical) = (format!("has {open} series in"), format!("a typical one {working} in"));
            assert!(page.contains(&idle) && page.contains(&typical), "{idle}, {typical}");
        }
        compared += 1;
    }
    assert_eq!(compared, 3);
}

#[test]
fn docs_events_is_fresh() {
    assert_fresh("docs/events.md", &telemetry::events::reference());
}

#[test]
fn every_setting_has_a_description_in_the_docs() {
    for line in config::reference().lines().filter(|line| line.starts_with("| `")) {
        assert!(!line.ends_with("|  |"), "no meaning: {line}");
    }
}

/// Loads the first TOML example of a page.
fn load_example(page: &str) -> config::Config {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("longshore.toml");
    let example = page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    std::fs::write(&file, example).unwrap();
    let sources = config::Sources { file: config::ConfigFile::Named(file), ..config::Sources::default() };
    config::load(&sources, config::Purpose::Run).unwrap()
}

#[test]
fn the_example_in_the_configuration_page_can_be_loaded() {
    assert_eq!(load_example(&config::reference()).settings.queues["orders"].consumer.concurrency, 32);
}

#[test]
fn the_example_in_the_readme_can_be_loaded() {
    let readme = include_str!("../README.md");
    assert_eq!(load_example(readme).settings.queues["orders"].consumer.concurrency, 32);
}

#[test]
fn the_examples_in_the_pages_on_lambda_can_be_loaded() {
    for page in [include_str!("../docs/lambda-handler.md"), include_str!("../docs/migrating-from-lambda.md")]
    {
        let handler = load_example(page).settings.queues["orders"].handler.clone();
        assert!(matches!(handler, Some(longshore::handler::Settings::Lambda(_))), "{handler:?}");
    }
}

#[test]
fn docs_check_explains_every_finding() {
    let pages = [include_str!("../docs/check-queues.md"), include_str!("../docs/check-workers.md")];
    let sections: Vec<_> = pages.iter().flat_map(|page| page.split("\n## ").skip(1)).collect();
    let titles: Vec<_> = sections.iter().map(|section| section.lines().next().unwrap()).collect();
    let names: Vec<_> = Code::ALL.iter().map(|code| format!("`{}`", code.as_str())).collect();
    assert_eq!(titles, names);
    for (section, code) in sections.iter().zip(Code::ALL) {
        let exit = match code.severity() {
            Severity::Notice | Severity::Warning => 0,
            Severity::Unavailable => 69,
            Severity::Misconfigured => 64,
        };
        let severity = format!("*{}, exit code {exit}*", code.severity().as_str());
        assert!(section.contains(&severity), "{severity}: {section}");
        assert!(section.contains(&format!("Fix: {}.", code.fix())), "{section}");
    }
}

#[test]
fn the_example_in_the_page_on_ecs_can_be_loaded_and_shows_the_defaults() {
    let handler = "[queues.orders.handler]\nkind = \"http\"\nurl = \"http://127.0.0.1:8080/\"\n";
    let settings = load_part(include_str!("../docs/ecs.md"), handler).settings;
    assert_eq!(settings.drain_limit().as_secs(), 110);
    let usual = longshore::ecs::Settings { stop_timeout: None, ..settings.ecs };
    assert_eq!(usual, longshore::ecs::Settings::default());
}

#[test]
fn no_page_is_empty() {
    for page in pages() {
        assert!(!std::fs::read_to_string(&page).unwrap().trim().is_empty(), "{}", page.display());
    }
}

/// Every page in docs/.
fn pages() -> Vec<PathBuf> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let entries = std::fs::read_dir(docs).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.extension().is_some_and(|extension| extension == "md")).collect()
}

/// The indexes of tests; that of the promises has tests of its own.
const INDEXES: [&str; 5] = [
    "tests/index.md",
    "tests/exec_handler/index.md",
    "tests/http_handler/index.md",
    "tests/lambda/index.md",
    "tests/traces/index.md",
];

#[test]
fn every_index_of_tests_has_the_lines_of_its_pages_and_tests_that_exist() {
    let problems: Vec<_> = INDEXES.into_iter().flat_map(index::problems).collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn the_examples_in_the_pages_about_sns_can_be_loaded() {
    let handler = load_example(include_str!("../docs/sns-handler.md"));
    assert!(handler.settings.queues["orders"].handler.is_some());
    let handler = "[queues.orders.handler]\nkind = \"http\"\nurl = \"http://127.0.0.1:8080/\"\n";
    let notified = load_part(include_str!("../docs/notifications.md"), handler);
    assert_eq!(notified.settings.queues["orders"].notify.topics().len(), 2);
}

#[test]
fn the_page_on_rust_handlers_opens_with_the_minimal_example() {
    let page = include_str!("../docs/rust-handlers.md");
    let shown = page.split("```rust,no_run\n").nth(1).and_then(|rest| rest.split("```").next());
    let example = include_str!("../examples/minimal.rs");
    assert_eq!(shown, example.find("use std").map(|start| &example[start..]));
}

/// Loads the first TOML example of a page with the rest of a queue's settings around it.
fn load_part(page: &str, rest: &str) -> config::Config {
    let queue = "[queues.orders]\nurl = \"https://sqs.eu-west-1.amazonaws.com/123456789012/orders\"\n";
    let example = page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    load_example(&format!("```toml\n{queue}{rest}{example}```\n"))
}
