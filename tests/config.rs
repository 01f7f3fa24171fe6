//! The page that is made of the settings, and the example on it.
#![expect(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

use std::path::Path;

use longshore::config;

/// Compares a generated page with the file; `LONGSHORE_BLESS=1` writes the file instead.
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
fn every_setting_has_words_of_its_own_in_the_docs() {
    for line in config::reference().lines().filter(|line| line.starts_with("| `")) {
        assert!(!line.ends_with("|  |"), "no meaning: {line}");
    }
}

#[test]
fn the_example_in_the_docs_can_be_loaded() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("longshore.toml");
    let reference = config::reference();
    let example = reference.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    std::fs::write(&file, example).unwrap();
    let sources = config::Sources { file: config::File::Named(file), ..config::Sources::default() };
    let config = config::load(&sources, config::Purpose::Work).unwrap();
    assert_eq!(config.settings.queues["orders"].concurrency, 32);
}
