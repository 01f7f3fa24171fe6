//! The pages: those made of the code are fresh, and the examples on them work.
#![expect(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

use std::path::Path;

use longshore::{config, telemetry};

/// Compares a generated page with the file; `LONGSHORE_BLESS=1` writes the file instead.
#[expect(clippy::disallowed_methods, reason = "no setting, but how to run the tests")]
fn assert_fresh(path: &str, text: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("LONGSHORE_BLESS").is_some() {
        std::fs::write(&file, text).unwrap();
    }
    let written = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(written == text, "{path} is stale, hint: make docs");
}

#[test]
fn docs_configuration_is_what_the_code_says() {
    assert_fresh("docs/configuration.md", &config::reference());
}

#[test]
fn docs_metrics_is_what_the_code_says() {
    assert_fresh("docs/metrics.md", &telemetry::reference());
}

#[test]
fn every_setting_has_words_of_its_own_in_the_docs() {
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
    let sources = config::Sources { file: config::File::Named(file), ..config::Sources::default() };
    config::load(&sources, config::Purpose::Work).unwrap()
}

#[test]
fn the_example_in_the_configuration_page_can_be_loaded() {
    assert_eq!(load_example(&config::reference()).settings.queues["orders"].concurrency, 32);
}

#[test]
fn the_example_in_the_readme_can_be_loaded() {
    let readme = include_str!("../README.md");
    assert_eq!(load_example(readme).settings.queues["orders"].concurrency, 32);
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
fn no_page_is_empty() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    for page in std::fs::read_dir(docs).unwrap().map(|entry| entry.unwrap().path()) {
        assert!(!std::fs::read_to_string(&page).unwrap().trim().is_empty(), "{}", page.display());
    }
}

#[test]
fn every_page_that_a_page_links_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let pages = std::fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    for page in pages.chain([root.join("README.md")]) {
        let text = std::fs::read_to_string(&page).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()) {
            let is_file = !link.is_empty() && !link.contains("://");
            assert!(!is_file || page.parent().unwrap().join(link).exists(), "{}: {link}", page.display());
        }
    }
}
