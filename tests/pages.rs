//! The pages as a book: every link leads somewhere, every page has its place, and none is too long to read at once.
#![expect(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Component, Path, PathBuf},
};

/// The pages for readers outside of docs/.
const OUTSIDE: [&str; 7] = [
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "deploy/README.md",
    "emulator/README.md",
    "examples/sns/README.md",
    "listener/README.md",
];

/// The most words of a page.
const WORDS: usize = 2_500;

/// The pages that may have more: generated references.
const LONG: [&str; 3] = ["docs/configuration.md", "docs/events.md", "docs/metrics.md"];

/// A page by its path in the project.
struct Page {
    path: String,
    text: String,
}

/// A link to a file of the project, with an anchor or without.
#[derive(Debug, PartialEq, Eq)]
struct Link {
    path: String,
    anchor: Option<String>,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every page of docs/ and those outside.
fn pages() -> Vec<Page> {
    let names = fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().file_name());
    let names = names.map(|name| name.into_string().unwrap());
    let docs = names.filter(|name| Path::new(name).extension().is_some_and(|extension| extension == "md"));
    let paths = docs.map(|name| format!("docs/{name}")).chain(OUTSIDE.map(str::to_owned));
    let mut pages: Vec<_> =
        paths.map(|path| Page { text: fs::read_to_string(root().join(&path)).unwrap(), path }).collect();
    pages.sort_by(|one, other| one.path.cmp(&other.path));
    pages
}

impl Page {
    /// The lines outside of code blocks.
    fn prose(&self) -> impl Iterator<Item = &str> {
        let mut fence = None;
        self.text.lines().filter(move |line| {
            let mark = line.trim_start().split(|letter| letter != '`').next().unwrap_or_default();
            match fence {
                None if mark.len() >= 3 => fence = Some(mark.len()),
                None => return true,
                Some(length) if mark.len() >= length => fence = None,
                Some(_) => {}
            }
            false
        })
    }

    /// The ids of the headings, as GitHub and mdBook make them.
    fn anchors(&self) -> BTreeSet<String> {
        let (mut anchors, mut times) = (BTreeSet::new(), BTreeMap::<String, usize>::new());
        for line in self.prose() {
            let title = line.trim_start_matches('#');
            if title.len() < line.len() && title.starts_with(' ') {
                let anchor = anchor(title.trim());
                let before = times.entry(anchor.clone()).or_default();
                anchors.insert(if *before == 0 { anchor } else { format!("{anchor}-{before}") });
                *before += 1;
            }
        }
        anchors
    }

    /// The targets of all links and pictures.
    fn targets(&self) -> Vec<String> {
        let prose = self.prose().map(without_code).collect::<Vec<_>>().join("\n");
        let markdown = prose.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        let html = ["href=\"", "src=\"", "srcset=\""];
        let html = html.iter().flat_map(|mark| prose.split(mark).skip(1));
        markdown.chain(html.filter_map(|rest| rest.split('"').next())).map(str::to_owned).collect()
    }

    /// The links that stay within the project.
    fn links(&self) -> Vec<Link> {
        let targets = self.targets();
        targets.iter().filter(|target| !is_elsewhere(target)).map(|target| self.link(target)).collect()
    }

    fn link(&self, target: &str) -> Link {
        let (path, anchor) =
            target.split_once('#').map_or((target, None), |(path, anchor)| (path, Some(anchor.to_owned())));
        let path = if path.is_empty() {
            self.path.clone()
        } else {
            normal(&Path::new(&self.path).parent().unwrap().join(path))
        };
        Link { path, anchor }
    }

    /// The words, in code and in tables too.
    fn words(&self) -> usize {
        self.text.split_whitespace().filter(|word| word.contains(char::is_alphanumeric)).count()
    }
}

fn is_elsewhere(target: &str) -> bool {
    target.contains("://") || target.starts_with("mailto:")
}

/// The id of a heading: its letters and digits in lower case, its spaces as hyphens.
fn anchor(title: &str) -> String {
    // Of a link its text alone.
    let parts = title.split("](").enumerate();
    let title: String =
        parts.map(|(number, part)| if number == 0 { part } else { after_target(part) }).collect();
    let letters = title.chars().filter_map(|letter| match letter {
        ' ' => Some('-'),
        '-' | '_' => Some(letter),
        _ => letter.is_alphanumeric().then_some(letter),
    });
    letters.collect::<String>().to_lowercase()
}

/// What follows the target of a link.
fn after_target(part: &str) -> &str {
    part.split_once(')').map_or("", |(_, rest)| rest)
}

/// A line without what stands between backticks.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect::<Vec<_>>().join("``")
}

/// The path without `..`.
fn normal(path: &Path) -> String {
    let mut parts = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => assert!(parts.pop(), "{} leaves the project", path.display()),
            part => parts.push(part),
        }
    }
    parts.to_str().unwrap().to_owned()
}

/// Why a link leads nowhere.
fn problem(link: &Link, anchors: &BTreeMap<String, BTreeSet<String>>) -> Option<String> {
    if !root().join(&link.path).exists() {
        return Some(format!("there is no {}", link.path));
    }
    let anchor = link.anchor.as_ref()?;
    match anchors.get(&link.path) {
        Some(anchors) if anchors.contains(anchor) => None,
        Some(_) => Some(format!("{} has no heading #{anchor}", link.path)),
        None => Some(format!("{} is no page that has anchors: #{anchor}", link.path)),
    }
}

#[test]
fn every_link_of_every_page_leads_to_a_file_and_a_heading_that_exist() {
    let pages = pages();
    let anchors: BTreeMap<_, _> = pages.iter().map(|page| (page.path.clone(), page.anchors())).collect();
    let problems: Vec<_> = pages
        .iter()
        .flat_map(|page| page.links().into_iter().map(move |link| (page, link)))
        .filter_map(|(page, link)| Some(format!("{}: {}", page.path, problem(&link, &anchors)?)))
        .collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn every_page_stands_once_in_the_table_of_contents() {
    let pages = pages();
    let contents = pages.iter().find(|page| page.path == "docs/SUMMARY.md").unwrap();
    let listed: Vec<_> = contents.links().into_iter().map(|link| link.path).collect();
    for page in pages.iter().filter(|page| page.path.starts_with("docs/") && page.path != contents.path) {
        let times = listed.iter().filter(|path| **path == page.path).count();
        assert_eq!(times, 1, "{} in docs/SUMMARY.md", page.path);
    }
}

#[test]
fn no_page_is_longer_than_a_reader_bears() {
    for page in pages().iter().filter(|page| page.path.starts_with("docs/")) {
        let words = page.words();
        assert!(
            words <= WORDS || LONG.contains(&page.path.as_str()),
            "{} has {words} words, hint: divide it",
            page.path
        );
    }
}

#[test]
fn the_first_part_of_the_readme_has_at_most_900_words() {
    let text = fs::read_to_string(root().join("README.md")).unwrap();
    let (first, _) = text.split_once("\n## Reference\n").expect("the README has a part called Reference");
    let words = Page { path: "README.md".to_owned(), text: first.to_owned() }.words();
    assert!(words <= 900, "{words} words");
}

#[test]
fn the_badge_of_the_readme_has_the_version_of_rust() {
    let badge = fs::read_to_string(root().join("docs/badges/rust.svg")).unwrap();
    assert!(badge.contains(concat!("<title>Rust: ", env!("CARGO_PKG_RUST_VERSION"), "</title>")), "{badge}");
}

#[test]
fn the_anchors_are_those_of_github() {
    let page = Page {
        path: "docs/a.md".to_owned(),
        text:
            "# Once, `at` most\n```sh\n# no heading\n```\n## The answer\n## The answer\n### 1 [A](b.md) & C\n"
                .to_owned(),
    };
    let anchors: Vec<_> = page.anchors().into_iter().collect();
    assert_eq!(anchors, ["1-a--c", "once-at-most", "the-answer", "the-answer-1"]);
}

#[test]
fn the_links_of_a_page_are_those_outside_of_code() {
    let text =
        "[a](b.md#c) ![d](e.svg) `[f](g.md)` <img src=\"../h.svg\">\n````md\n```\n[i](j.md)\n````\n[k](#l)";
    let page = Page { path: "docs/a.md".to_owned(), text: text.to_owned() };
    let paths: Vec<_> = page.links().into_iter().map(|link| (link.path, link.anchor)).collect();
    let expected =
        [("docs/b.md", Some("c")), ("docs/e.svg", None), ("docs/a.md", Some("l")), ("h.svg", None)];
    let expected = expected.map(|(path, anchor)| (path.to_owned(), anchor.map(str::to_owned)));
    assert_eq!(paths, expected);
}
