//! The indexes of tests: which test proves which line of a page in docs/.
//!
//! An index repeats the headings of its page, each a level deeper. Under them, an entry begins with the first cell
//! of a table's row, or with a part of a sentence in quotes, and ends in the names of its tests. `Not indexed: ` and
//! a reason excuses the tables under a heading and under those below it.

use std::{collections::BTreeSet, fs, path::Path};

/// The text of a file of the project.
pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The names of the tests in these Rust files, and in those below these folders.
pub(crate) fn tests(paths: &[&str]) -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut names = BTreeSet::new();
    for path in paths {
        add_tests(&root.join(path), &mut names);
    }
    names
}

fn add_tests(path: &Path, names: &mut BTreeSet<String>) {
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            add_tests(&entry.unwrap().path(), names);
        }
    } else if path.extension().is_some_and(|extension| extension == "rs") {
        names.extend(tests_of(&fs::read_to_string(path).unwrap()));
    }
}

/// The names of the functions behind an attribute of a test; other attributes may stand between.
fn tests_of(source: &str) -> Vec<String> {
    let (mut names, mut is_test) = (Vec::new(), false);
    for line in source.lines().map(str::trim_start) {
        let function = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ");
        if line == "#[test]" || line.starts_with("#[tokio::test") {
            is_test = true;
        } else if let Some(function) = function {
            if is_test {
                names.push(function.split(['(', '<']).next().unwrap_or_default().to_owned());
            }
            is_test = false;
        }
    }
    names
}

/// A heading of a page below those above it, and the lines up to the next one, without code.
pub(crate) struct Section {
    pub(crate) path: Vec<String>,
    pub(crate) lines: Vec<String>,
}

/// The sections of a Markdown page, in its order.
pub(crate) fn sections(page: &str) -> Vec<Section> {
    let (mut sections, mut path, mut is_code) = (Vec::<Section>::new(), Vec::new(), false);
    for line in page.lines() {
        if line.starts_with("```") {
            is_code = !is_code;
            continue;
        }
        if is_code {
            continue;
        }
        if let Some((level, title)) = heading(line) {
            path.truncate(level - 1);
            path.push(title.to_owned());
            sections.push(Section { path: path.clone(), lines: Vec::new() });
        } else if let Some(section) = sections.last_mut() {
            section.lines.push(line.to_owned());
        }
    }
    sections
}

fn heading(line: &str) -> Option<(usize, &str)> {
    let title = line.trim_start_matches('#');
    let level = line.len() - title.len();
    (level > 0).then_some((level, title.strip_prefix(' ')?))
}

/// Everything in which an index differs from its pages and from the tests.
pub(crate) fn problems(path: &str) -> Vec<String> {
    let index = sections(&read(path));
    let tests = tests(&["src", "tests", "emulator"]);
    let pages: Vec<_> = index.iter().filter(|section| section.path.len() == 2).collect();
    assert!(!pages.is_empty(), "{path} has no page");
    let mut problems = Vec::new();
    for page in pages {
        let of_page = index.iter().filter(|section| section.path.starts_with(&page.path));
        let proofs: Vec<_> = of_page.map(Proofs::new).collect();
        let page = Page { name: &page.path[1], sections: sections(&read(&page.path[1])) };
        problems.extend(page.unproven(&proofs));
        problems.extend(proofs.iter().flat_map(|proofs| page.unfounded(proofs, &tests)));
    }
    problems
}

/// The entries of an index under one heading of its page.
struct Proofs {
    heading: Vec<String>,
    is_excused: bool,
    /// What each entry proves, and the names of its tests.
    entries: Vec<(String, String)>,
}

impl Proofs {
    fn new(section: &Section) -> Self {
        let entries = section.lines.iter().filter_map(|line| line.strip_prefix("- ")?.rsplit_once(": "));
        Self {
            heading: section.path[2..].to_vec(),
            is_excused: section.lines.iter().any(|line| line.starts_with("Not indexed: ")),
            entries: entries.map(|(claim, tests)| (claim.to_owned(), tests.to_owned())).collect(),
        }
    }

    /// The first cells of the rows that are proven.
    fn rows(&self) -> Vec<&str> {
        self.entries.iter().map(|(claim, _)| claim.as_str()).filter(|claim| quoted(claim).is_none()).collect()
    }
}

/// The sentence of an entry that is not about a row.
fn quoted(claim: &str) -> Option<&str> {
    claim.strip_prefix('"')?.strip_suffix('"')
}

struct Page<'a> {
    name: &'a str,
    sections: Vec<Section>,
}

impl Page<'_> {
    /// The tables whose rows are not those of the index.
    fn unproven(&self, proofs: &[Proofs]) -> Vec<String> {
        let mut problems = Vec::new();
        for section in &self.sections {
            let heading = &section.path[1..];
            let is_excused =
                proofs.iter().any(|proofs| proofs.is_excused && heading.starts_with(&proofs.heading));
            let rows = if is_excused { Vec::new() } else { first_cells(&section.lines) };
            let proofs = proofs.iter().find(|proofs| proofs.heading == heading);
            let proven = proofs.map(Proofs::rows).unwrap_or_default();
            if rows != proven {
                let unproven: Vec<_> = rows.iter().filter(|row| !proven.contains(row)).collect();
                let stale: Vec<_> = proven.iter().filter(|row| !rows.contains(row)).collect();
                problems.push(format!(
                    "{}, {heading:?}: rows in another order than in the index, or without an entry: {unproven:?}, \
                     or only there: {stale:?}",
                    self.name
                ));
            }
        }
        problems
    }

    /// The entries about something that is not on the page, or with tests that do not exist.
    fn unfounded(&self, proofs: &Proofs, tests: &BTreeSet<String>) -> Vec<String> {
        let heading = &proofs.heading;
        let Some(section) = self.sections.iter().find(|section| section.path[1..] == *heading) else {
            return vec![format!("{} has no heading {heading:?}", self.name)];
        };
        let parts: Vec<_> = section.lines.iter().flat_map(|line| line.split_whitespace()).collect();
        let text = parts.join(" ");
        let mut problems = Vec::new();
        for (claim, named) in &proofs.entries {
            if quoted(claim).is_some_and(|sentence| !text.contains(sentence)) {
                problems.push(format!("{}, {heading:?}: not on the page: {claim}", self.name));
            }
            let missing: Vec<_> =
                named.split('`').skip(1).step_by(2).filter(|name| !tests.contains(*name)).collect();
            if !missing.is_empty() || !named.contains(['`', '*']) {
                problems.push(format!("{}, {heading:?}: no such tests of {claim}: {missing:?}", self.name));
            }
        }
        problems
    }
}

/// The first cell of each row of the tables, without their heads.
fn first_cells(lines: &[String]) -> Vec<&str> {
    let tables = lines.split(|line| !line.starts_with('|'));
    let rows = tables.flat_map(|table| table.iter().skip(2));
    rows.filter_map(|row| row.strip_prefix("| ")?.split(" |").next()).collect()
}
