//! `docs/delivery.md` names tests that exist, and every test of a promise is on it.

use std::{collections::BTreeSet, fs, path::Path};

fn file(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The tests that the page's lists name, under each promise that is not planned.
fn sections() -> Vec<(String, Vec<String>)> {
    let page = file("docs/delivery.md");
    let section = |text: &str| {
        let (title, body) = text.split_once('\n').unwrap();
        let names = body.lines().filter_map(|line| line.strip_prefix("- `")?.split('`').next());
        (title.to_owned(), names.map(str::to_owned).collect())
    };
    let promises = page.split("\n## At least once").next().unwrap();
    promises.split("\n### ").skip(1).filter(|text| !text.contains("\nPlanned")).map(section).collect()
}

fn tests() -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/promises");
    let sources =
        fs::read_dir(folder).unwrap().map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap());
    let name = |item: &str| {
        let (is_test, function) = item.split_once("fn ")?;
        let is_test = is_test.is_empty() || is_test.trim() == "async";
        is_test.then(|| function.split(['(', '<']).next().unwrap_or_default().to_owned())
    };
    let after_test = |source: String| {
        let items = source.split("#[test]\n").skip(1).map(str::to_owned).collect::<Vec<_>>();
        let paused = source.split("#[tokio::test(").skip(1);
        let paused = paused.filter_map(|item| Some(item.split_once(")]\n")?.1.to_owned()));
        items.into_iter().chain(paused).collect::<Vec<_>>()
    };
    sources.flat_map(after_test).filter_map(|item| name(item.trim_start())).collect()
}

#[test]
fn the_page_of_promises_names_only_tests_that_exist() {
    let tests = tests();
    for (promise, named) in sections() {
        assert!(!named.is_empty(), "no test proves {promise:?}");
        for name in named {
            assert!(tests.contains(&name), "{promise:?} names {name}, which does not exist");
        }
    }
}

#[test]
fn every_test_of_a_promise_is_on_its_page() {
    let named: BTreeSet<_> = sections().into_iter().flat_map(|(_, named)| named).collect();
    let of_this_file =
        ["the_page_of_promises_names_only_tests_that_exist", "every_test_of_a_promise_is_on_its_page"];
    let missing: Vec<_> = tests().into_iter().filter(|name| !of_this_file.contains(&name.as_str())).collect();
    let missing: Vec<_> = missing.into_iter().filter(|name| !named.contains(name)).collect();
    assert!(missing.is_empty(), "not on docs/delivery.md: {missing:?}");
}
