//! `index.md` has the promises of `docs/delivery.md`, and all of their tests.

use std::collections::BTreeSet;

use crate::support::index;

/// Each promise of the index with the tests that it names.
fn promises() -> Vec<(String, Vec<String>)> {
    let sections = index::sections(&index::read("tests/promises/index.md"));
    let promises = sections.into_iter().filter(|section| section.path.len() == 2);
    let named = |lines: Vec<String>| {
        let names = lines.iter().filter_map(|line| line.strip_prefix("- `")?.split('`').next());
        names.map(str::to_owned).collect()
    };
    promises.map(|section| (section.path[1].clone(), named(section.lines))).collect()
}

#[test]
fn the_index_has_the_promises_of_the_page_in_its_order() {
    let page = index::sections(&index::read("docs/delivery.md"));
    let of_page =
        page.into_iter().filter(|section| section.path.len() == 3 && section.path[1] == "The promises");
    let of_page: Vec<_> = of_page.map(|section| section.path[2].clone()).collect();
    let of_index = promises().into_iter().map(|(promise, _)| promise);
    let of_index: Vec<_> = of_index.filter(|promise| !promise.starts_with("Internal: ")).collect();
    assert!(of_page.len() > 13, "{of_page:?}");
    assert_eq!(of_index, of_page);
}

#[test]
fn the_index_names_only_tests_that_exist() {
    let tests = index::tests(&["tests/promises"]);
    for (promise, named) in promises() {
        assert!(!named.is_empty(), "no test proves {promise:?}");
        for name in named {
            assert!(tests.contains(&name), "{promise:?} names {name}, which does not exist");
        }
    }
}

#[test]
fn every_test_of_a_promise_is_in_the_index() {
    let named: BTreeSet<_> = promises().into_iter().flat_map(|(_, named)| named).collect();
    let of_this_file = index::tests(&["tests/promises/page.rs"]);
    let tests = index::tests(&["tests/promises"]);
    let missing: Vec<_> =
        tests.iter().filter(|name| !of_this_file.contains(*name) && !named.contains(*name)).collect();
    assert!(missing.is_empty(), "not in tests/promises/index.md: {missing:?}");
}
