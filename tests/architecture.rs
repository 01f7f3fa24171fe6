//! Holds the house to its plan: floors, front doors, first lines, lengths.
//!
//! The rules are plain functions over text, so that each is shown below to catch what it is there for.
#![expect(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

use std::{collections::BTreeSet, fs, path::Path};

/// The parts and their floors. A part imports from lower floors only; those on the ground floor may lean on each other.
const FLOORS: &[(&str, u8)] = &[
    ("message", 0),
    ("md5", 0),
    ("health", 0),
    ("stop", 0),
    ("backoff", 0),
    ("tasks", 0),
    ("duration", 0),
    ("settings", 0),
    ("process", 0),
    ("aws", 0),
    ("tls", 0),
    ("error_chain", 0),
    ("queue", 1),
    ("sns", 2),
    ("telemetry", 3),
    ("handler", 4),
    ("ecs", 4),
    ("consumer::depth", 4),
    ("consumer::lease", 5),
    ("consumer::settle", 6),
    ("sns::notifications", 6),
    ("consumer", 7),
    ("admin", 8),
    ("dev", 8),
    ("config", 9),
    ("worker", 10),
    ("testing", 11),
    ("cli", 11),
];

const FILE_LINES: usize = 400;
const MAIN_LINES: usize = 60;

/// The one file that may read the environment.
const ENVIRONMENT_READER: &str = "src/config/load.rs";

/// Who may write a line of the log that is no event: the events themselves, the log, and what stands below them.
const LINE_WRITERS: &[(&str, &str)] = &[
    ("src/telemetry/", "where events become lines"),
    ("src/tasks.rs", "below telemetry, debug alone"),
    ("src/process/", "below telemetry, debug alone"),
    ("src/sns/memory/", "below telemetry, and a stand-in for SNS"),
];

/// One file of `src`.
struct Source {
    path: String,
    text: String,
}

impl Source {
    fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    /// `consumer` for `src/consumer/plan.rs` and for `src/consumer.rs`, `consumer::lease` for `src/consumer/lease/mod.rs`.
    fn part(&self) -> String {
        let inside = self.path.trim_start_matches("src/").trim_end_matches(".rs");
        part_of(&inside.split('/').map(str::to_owned).collect::<Vec<_>>())
    }

    /// `consumer` for every file in `src/consumer`.
    fn root(&self) -> String {
        let inside = self.path.trim_start_matches("src/");
        inside.split('/').next().unwrap_or(inside).trim_end_matches(".rs").to_owned()
    }

    /// The text without its test module, which stands at the end.
    fn body(&self) -> &str {
        self.text.split("\n#[cfg(test)]\nmod tests").next().unwrap_or(&self.text)
    }

    /// The body without comments.
    fn code(&self) -> String {
        let lines = self.body().lines().map(|line| line.split("//").next().unwrap_or_default());
        lines.collect::<Vec<_>>().join("\n")
    }

    /// The paths from the crate's root that the code names, each as its segments.
    fn imports(&self) -> BTreeSet<Vec<String>> {
        let code = self.code();
        let starts = code.match_indices("crate::").filter(|(at, _)| !code[..*at].ends_with(is_name));
        let mut paths = BTreeSet::new();
        for (at, prefix) in starts {
            expand(&code[at + prefix.len()..], &[], &mut paths);
        }
        paths
    }
}

fn is_name(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// Follows a path, and every branch of a `{…}` in it; answers what comes after.
fn expand<'a>(text: &'a str, before: &[String], paths: &mut BTreeSet<Vec<String>>) -> &'a str {
    let text = text.trim_start();
    if let Some(mut rest) = text.strip_prefix('{') {
        loop {
            rest = expand(rest, before, paths).trim_start();
            match rest.chars().next() {
                Some(',') => rest = &rest[1..],
                Some('}') => return &rest[1..],
                // `as other`, or nothing that a path may go on with.
                Some(_) => rest = &rest[rest.find([',', '}']).unwrap_or(rest.len())..],
                None => return rest,
            }
        }
    }
    let end = text.find(|character| !is_name(character)).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let mut path = before.to_vec();
    if !name.is_empty() && name != "self" {
        path.push(name.to_owned());
    }
    if let Some(rest) = rest.strip_prefix("::") {
        return expand(rest, &path, paths);
    }
    paths.insert(path);
    rest
}

/// The part that a path leads into: the folder within a part that has a floor of its own, or else the part.
fn part_of(path: &[String]) -> String {
    let nested = path.get(..2).map(|two| two.join("::")).filter(|nested| floor(nested).is_some());
    nested.unwrap_or_else(|| path.first().cloned().unwrap_or_default())
}

fn floor(part: &str) -> Option<u8> {
    FLOORS.iter().find(|(name, _)| *name == part).map(|(_, floor)| *floor)
}

fn is_root(source: &Source) -> bool {
    matches!(source.path.as_str(), "src/lib.rs" | "src/main.rs")
}

fn purpose(source: &Source) -> Option<String> {
    let is_told = source.text.lines().next().is_some_and(|line| line.starts_with("//! "));
    (!is_told).then(|| format!("{}: the first line is not `//! one sentence`", source.path))
}

fn length(source: &Source) -> Option<String> {
    let most = if source.path == "src/main.rs" { MAIN_LINES } else { FILE_LINES };
    let lines = source.body().lines().count();
    (lines > most).then(|| format!("{}: {lines} lines, at most {most}", source.path))
}

fn grandparents(source: &Source) -> Option<String> {
    let reaches = source.text.contains("super::super");
    reaches.then(|| format!("{}: super::super, hint: import from the part's front door", source.path))
}

fn environment(source: &Source) -> Option<String> {
    let reads = source.path != ENVIRONMENT_READER && source.code().contains("env::var");
    reads.then(|| format!("{}: reads the environment, which only config::load does", source.path))
}

/// A line that is no event is neither counted nor in the reference, and may say anything.
fn line(source: &Source) -> Option<String> {
    let may = LINE_WRITERS.iter().any(|(path, _)| source.path.starts_with(path));
    let code = source.code();
    let is_written = ["error!", "warn!", "info!", "debug!", "trace!"]
        .iter()
        .any(|line| code.contains(&format!("tracing::{line}")));
    let imports = code.lines().any(|line| line.contains("use tracing::{") && line.contains("warn"));
    (!may && (is_written || imports))
        .then(|| format!("{}: logs a line, hint: make it an event in telemetry/events", source.path))
}

fn downward(source: &Source) -> Vec<String> {
    if is_root(source) {
        return Vec::new();
    }
    let part = source.part();
    let Some(own) = floor(&part) else {
        return vec![format!("{}: no floor is given to {part}", source.path)];
    };
    let imports = source.imports();
    let parts: BTreeSet<String> = imports.iter().map(|path| part_of(path)).collect();
    let is_below = |other: &str| floor(other).is_none_or(|floor| floor < own || (floor, own) == (0, 0));
    let above = parts.into_iter().filter(|other| *other != part && !is_below(other));
    above
        .map(|other| format!("{}: {part} may not import {other}, which is not below it", source.path))
        .collect()
}

/// Another part's modules are entered only where its front door says `pub mod`.
fn front_doors(source: &Source, all: &[Source]) -> Vec<String> {
    let imports = source.imports();
    let foreign = imports.iter().filter(|path| path.first() != Some(&source.root()));
    foreign.filter(|path| !is_let_in(path, all)).map(|path| shut(source, path)).collect()
}

fn is_let_in(path: &[String], all: &[Source]) -> bool {
    (1..path.len()).all(|depth| {
        let (folder, name) = (format!("src/{}", path[..depth].join("/")), &path[depth]);
        let inside = [format!("{folder}/{name}.rs"), format!("{folder}/{name}/mod.rs")];
        let is_module = all.iter().any(|source| inside.contains(&source.path));
        let door = all.iter().find(|source| source.path == format!("{folder}/mod.rs"));
        let is_open = door.is_some_and(|door| door.code().contains(&format!("pub mod {name};")));
        // A function may be called like the private module it lives in.
        !is_module || is_open || depth + 1 == path.len()
    })
}

fn shut(source: &Source, path: &[String]) -> String {
    format!("{}: crate::{} goes round the part's front door", source.path, path.join("::"))
}

fn violations(all: &[Source]) -> Vec<String> {
    let of_one = |source: &Source| {
        let mut found = downward(source);
        found.extend(front_doors(source, all));
        found.extend(
            [purpose(source), length(source), grandparents(source), environment(source), line(source)]
                .into_iter()
                .flatten(),
        );
        found
    };
    all.iter().flat_map(of_one).collect()
}

fn collect(folder: &Path, root: &Path, all: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, root, all);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let relative = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            all.push(Source { path: relative, text: fs::read_to_string(&path).unwrap() });
        }
    }
}

#[test]
fn the_house_follows_its_plan() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut all = Vec::new();
    collect(&root.join("src"), root, &mut all);
    assert!(all.len() > 20, "the sources were not found");
    let found = violations(&all);
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn every_import_is_found_however_it_is_written() {
    let text = "use crate::{a::{B, c::D}, e::{self, f as g}};\nuse crate::h;\n// crate::comment\nfn x() { crate::i::J::new(); mycrate::k }";
    let imports = Source::new("src/x.rs", text).imports();
    let joined: Vec<String> = imports.iter().map(|path| path.join("::")).collect();
    assert_eq!(joined, ["a::B", "a::c::D", "e", "e::f", "h", "i::J::new"]);
}

#[test]
fn an_import_upward_or_sideways_is_caught() {
    let found = |path: &str, text: &str| downward(&Source::new(path, text)).len();
    assert_eq!(
        found(
            "src/consumer/lease/mod.rs",
            "use crate::{queue::Queue, message::Message, consumer::lease::ledger};"
        ),
        0
    );
    assert_eq!(found("src/consumer/lease/mod.rs", "use crate::consumer::Room;"), 1);
    assert_eq!(found("src/queue/mod.rs", "use crate::handler::Outcome;"), 1);
    assert_eq!(found("src/admin/mod.rs", "fn f() { crate::dev::run(); }"), 1);
    assert_eq!(found("src/stop.rs", "use crate::duration::Span;"), 0);
    assert_eq!(found("src/attic/mod.rs", ""), 1);
    assert_eq!(found("src/queue/mod.rs", "\n#[cfg(test)]\nmod tests { use crate::cli::main; }"), 0);
}

#[test]
fn a_way_round_a_front_door_is_caught() {
    let door = "mod room;\npub mod open;\npub use self::room::{Room, room};";
    let mut all = vec![Source::new("src/consumer/mod.rs", door)];
    all.extend(["room", "open"].map(|name| Source::new(&format!("src/consumer/{name}.rs"), "")));
    let found = |text: &str| front_doors(&Source::new("src/worker/mod.rs", text), &all).len();
    assert_eq!(found("use crate::consumer::{Room, room, open, open::Thing};"), 0);
    assert_eq!(found("use crate::consumer::room::Room;"), 1);
    assert_eq!(
        front_doors(&Source::new("src/consumer/work.rs", "use crate::consumer::room::Room;"), &all).len(),
        0
    );
}

#[test]
fn a_file_without_a_purpose_is_caught() {
    assert!(purpose(&Source::new("src/a.rs", "use std::fmt;")).is_some());
    assert!(purpose(&Source::new("src/a.rs", "")).is_some());
    assert!(purpose(&Source::new("src/a.rs", "//! What it is for.")).is_none());
}

#[test]
fn a_file_that_is_too_long_is_caught_and_its_tests_are_not_counted() {
    let tests = format!("\n#[cfg(test)]\nmod tests {{\n{}}}", "x\n".repeat(500));
    assert!(length(&Source::new("src/a.rs", &"x\n".repeat(401))).is_some());
    assert!(length(&Source::new("src/a.rs", &("x\n".repeat(399) + &tests))).is_none());
    assert!(length(&Source::new("src/main.rs", &"x\n".repeat(61))).is_some());
}

#[test]
fn a_reach_past_the_parent_is_caught() {
    assert!(grandparents(&Source::new("src/a/b.rs", "use super::super::c;")).is_some());
    assert!(grandparents(&Source::new("src/a/b.rs", "use super::c;")).is_none());
}

#[test]
fn a_line_that_is_no_event_is_caught() {
    for text in
        ["fn f() { tracing::warn!(queue, \"odd\"); }", "tracing::debug!(\"x\")", "use tracing::{info, warn};"]
    {
        assert!(line(&Source::new("src/consumer/work.rs", text)).is_some(), "{text}");
        assert!(line(&Source::new("src/telemetry/logs.rs", text)).is_none(), "{text}");
    }
    assert!(line(&Source::new("src/consumer/work.rs", "tracing::info_span!(\"process\")")).is_none());
}

#[test]
fn a_second_reader_of_the_environment_is_caught() {
    for text in ["std::env::var(\"X\")", "env::vars_os()", "use std::env::var_os;"] {
        assert!(environment(&Source::new("src/cli/run.rs", text)).is_some());
        assert!(environment(&Source::new(ENVIRONMENT_READER, text)).is_none());
    }
}
