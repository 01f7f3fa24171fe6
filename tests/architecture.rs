//! Checks the rules of the code's structure: layers, front doors, type names, files and vague words.
//!
//! The rules are plain functions over text; the tests at the end show that each finds what it is meant to find.
#![expect(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// The parts and their layers. A part imports only from lower layers; those of layer 0 may import each other.
const LAYERS: &[(&str, u8)] = &[
    ("message", 0),
    ("md5", 0),
    ("health", 0),
    ("in_progress", 0),
    ("start", 0),
    ("stop", 0),
    ("backoff", 0),
    ("tasks", 0),
    ("duration", 0),
    ("settings", 0),
    ("process", 0),
    ("aws", 0),
    ("net", 0),
    ("certificates", 0),
    ("shortage", 0),
    ("error_chain", 0),
    ("queue", 1),
    ("sns", 2),
    ("telemetry", 3),
    ("queue::metrics", 4),
    ("sns::metrics", 4),
    ("message_files", 4),
    ("consumer::running", 4),
    ("handler", 5),
    ("ecs", 5),
    ("kubernetes", 5),
    ("consumer::depth", 5),
    ("consumer::lease", 6),
    ("consumer::settle", 7),
    ("sns::notifications", 6),
    ("consumer", 8),
    ("dead_letters", 8),
    ("admin", 9),
    ("history", 9),
    ("envelope", 9),
    ("once", 9),
    ("payload", 9),
    ("config", 10),
    ("worker", 11),
    ("testing", 12),
    ("cli", 12),
];

const FILE_LINES: usize = 600;
const MAIN_LINES: usize = 60;
/// A file shorter than this has a reason, so few are.
const SMALL_FILE_LINES: usize = 60;
/// The most small files of the crate and the emulator.
const SMALL_FILES: usize = 49;

/// The type names that several modules may have.
const COMMON_TYPE_NAMES: &[&str] = &["Settings", "Error", "Builder", "Inner"];
/// The most other type names that stand for more than one type.
const SHARED_TYPE_NAMES: usize = 0;

/// The most words such as *told* and *hear* in the code: they hide who does what.
const VAGUE_WORDS: usize = 5;
/// The most doc comments that open with *What*, *How* and the like instead of saying what a thing is or does.
const VAGUE_OPENINGS: usize = 5;

/// The server of one process that the worker starts itself, whose requests wait for as long as there is no work.
const RUNTIME_API: &str = "src/handler/lambda/runtime/api.rs";

/// The files that may read the environment: a library user's proxies and certificates are read without the configuration.
const ENVIRONMENT_READERS: [&str; 2] = ["src/config/load.rs", "src/aws/network.rs"];

/// The files that may log without an event: the events themselves, and the layers below them.
const LINE_WRITERS: &[(&str, &str)] = &[
    ("src/telemetry/", "where events become lines"),
    ("src/tasks.rs", "below telemetry, debug alone"),
    ("src/process/", "below telemetry, debug alone"),
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

/// Follows a path, and every branch of a `{…}` in it; returns the text after it.
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

/// The part that a path leads into: the folder within a part that has a layer of its own, or else the part.
fn part_of(path: &[String]) -> String {
    let nested = path.get(..2).map(|two| two.join("::")).filter(|nested| layer(nested).is_some());
    nested.unwrap_or_else(|| path.first().cloned().unwrap_or_default())
}

fn layer(part: &str) -> Option<u8> {
    LAYERS.iter().find(|(name, _)| *name == part).map(|(_, layer)| *layer)
}

fn is_root(source: &Source) -> bool {
    matches!(source.path.as_str(), "src/lib.rs" | "src/main.rs")
}

/// The types that a source defines.
fn types(source: &Source) -> BTreeSet<&str> {
    source.body().lines().filter_map(declared_type).filter(|name| !COMMON_TYPE_NAMES.contains(name)).collect()
}

/// The type that a line declares.
fn declared_type(line: &str) -> Option<&str> {
    let mut words = line.split_whitespace().skip_while(|word| word.starts_with("pub"));
    let is_type = matches!(words.next(), Some("struct" | "enum" | "trait" | "union"));
    let name = words.next().filter(|_| is_type)?.split(|character| !is_name(character)).next()?;
    name.starts_with(|first: char| first.is_ascii_uppercase()).then_some(name)
}

/// The type names that several sources define.
fn shared_type_names(all: &[Source]) -> Vec<String> {
    let mut sources: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for source in all {
        for name in types(source) {
            sources.entry(name).or_default().push(&source.path);
        }
    }
    let shared = sources.into_iter().filter(|(_, paths)| paths.len() > 1);
    shared.map(|(name, paths)| format!("{name}: {}", paths.join(", "))).collect()
}

fn is_small(source: &Source) -> bool {
    source.body().lines().count() < SMALL_FILE_LINES
}

fn vague_words(source: &Source) -> usize {
    let words = source.body().split(|character: char| !character.is_alphabetic());
    words.filter(|word| matches!(*word, "tell" | "tells" | "told" | "hear" | "hears")).count()
}

fn vague_openings(source: &Source) -> usize {
    let openings = ["What ", "How ", "Whether ", "Who ", "Whom ", "Where ", "Which ", "The same"];
    let is_vague = |line: &&str| {
        let comment = line.trim_start().strip_prefix("///").or_else(|| line.strip_prefix("//!"));
        comment.is_some_and(|text| openings.iter().any(|opening| text.trim_start().starts_with(opening)))
    };
    source.body().lines().filter(is_vague).count()
}

fn purpose(source: &Source) -> Option<String> {
    let has_purpose = source.text.lines().next().is_some_and(|line| line.starts_with("//! "));
    (!has_purpose).then(|| format!("{}: the first line is not `//! one sentence`", source.path))
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
    let reads = !ENVIRONMENT_READERS.contains(&&*source.path) && source.code().contains("env::var");
    reads.then(|| format!("{}: reads the environment, which only config::load does", source.path))
}

/// Finds log lines that are not events, and so have neither a metric nor an entry in the reference.
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
    let Some(own) = layer(&part) else {
        return vec![format!("{}: {part} has no layer, hint: add it to LAYERS", source.path)];
    };
    let imports = source.imports();
    let parts: BTreeSet<String> = imports.iter().map(|path| part_of(path)).collect();
    let is_below = |other: &str| layer(other).is_none_or(|layer| layer < own || (layer, own) == (0, 0));
    let above = parts.into_iter().filter(|other| *other != part && !is_below(other));
    above
        .map(|other| format!("{}: {part} may not import {other}, which is not below it", source.path))
        .collect()
}

/// Finds imports of another part's modules that its front door does not open with `pub mod`.
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
        let is_open = door.is_some_and(|door| opens(&door.code(), name));
        // A function may be called like the private module it lives in.
        !is_module || is_open || depth + 1 == path.len()
    })
}

/// True when a front door opens this module, to users or within the crate.
fn opens(door: &str, name: &str) -> bool {
    ["pub", "pub(crate)"].iter().any(|visibility| door.contains(&format!("{visibility} mod {name};")))
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

/// The sources of the crate.
fn crate_sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut all = Vec::new();
    collect(&root.join("src"), root, &mut all);
    assert!(all.len() > 20, "the sources were not found");
    all
}

/// The sources of the emulator and of the listener.
fn other_sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut all = Vec::new();
    for package in ["emulator/src", "listener/src"] {
        collect(&root.join(package), root, &mut all);
    }
    all
}

/// The sources of all packages, without tests.
fn all_sources() -> Vec<Source> {
    let is_test = |path: &str| path.contains("/tests/") || path.ends_with("/tests.rs");
    let all = crate_sources().into_iter().chain(other_sources());
    all.filter(|source| !is_test(&source.path)).collect()
}

/// A sum over all sources, and the five that have most of it.
fn sum_of(count: impl Fn(&Source) -> usize) -> (usize, String) {
    let mut counts: Vec<_> =
        all_sources().iter().map(|source| (count(source), source.path.clone())).collect();
    counts.sort_unstable_by(|one, other| other.cmp(one));
    let sum: usize = counts.iter().map(|(count, _)| count).sum();
    let most = counts.iter().take(5).map(|(count, path)| format!("{path}: {count}"));
    (sum, most.collect::<Vec<_>>().join(", "))
}

#[test]
fn the_crate_follows_its_structure() {
    let found = violations(&crate_sources());
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn the_emulator_and_the_listener_know_nothing_of_the_worker_and_their_files_have_a_purpose() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for package in ["emulator", "listener"] {
        let manifest = fs::read_to_string(root.join(package).join("Cargo.toml")).unwrap();
        let depends =
            manifest.lines().any(|line| line.starts_with("longshore ") || line.starts_with("longshore="));
        assert!(!depends, "{package} depends on the worker");
    }
    let rules = |source: &Source| [purpose(source), length(source), grandparents(source)];
    let found: Vec<_> = other_sources().iter().flat_map(rules).flatten().collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// The limits on clients hold for every server that listens through the one listener.
#[test]
fn servers_accept_connections_through_the_listener_only() {
    for source in all_sources() {
        let is_listener = source.path.starts_with("listener/") || source.path == RUNTIME_API;
        let serves =
            ["axum::serve", "serve_connection(", ".accept()"].iter().any(|call| source.code().contains(call));
        assert!(is_listener || !serves, "{}: accepts connections, hint: use longshore_listener", source.path);
    }
}

#[test]
fn a_type_name_stands_for_one_type() {
    let shared = shared_type_names(&all_sources());
    let (count, most) = (shared.len(), SHARED_TYPE_NAMES);
    assert!(count <= most, "{count} names, at most {most}:\n{}", shared.join("\n"));
}

#[test]
fn few_files_are_small() {
    let small: Vec<_> = all_sources().into_iter().filter(is_small).map(|source| source.path).collect();
    let count = small.len();
    assert!(count <= SMALL_FILES, "{count} files, at most {SMALL_FILES}:\n{}", small.join("\n"));
}

#[test]
fn sentences_name_who_does_what() {
    let (words, worst) = sum_of(vague_words);
    assert!(words <= VAGUE_WORDS, "{words} of tell, told, hear; at most {VAGUE_WORDS}: {worst}");
    let (openings, worst) = sum_of(vague_openings);
    assert!(openings <= VAGUE_OPENINGS, "{openings} openings, at most {VAGUE_OPENINGS}: {worst}");
}

/// `autotests` is off, so a file that is not listed would never run.
#[test]
fn every_file_of_tests_is_compiled() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let inside = fs::read_to_string(root.join("tests/inside.rs")).unwrap();
    for entry in fs::read_dir(root.join("tests")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let is_rust = path.extension().is_some_and(|extension| extension == "rs");
        let is_named = name == "inside"
            || manifest.contains(&format!("[[test]]\nname = \"{name}\""))
            || inside.lines().any(|line| line == format!("mod {name};"));
        assert!(
            !is_rust && !path.join("main.rs").exists() || is_named,
            "nothing compiles {}",
            path.display()
        );
    }
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
    assert_eq!(found("src/admin/mod.rs", "fn f() { crate::cli::run(); }"), 1);
    assert_eq!(found("src/stop.rs", "use crate::duration::Span;"), 0);
    assert_eq!(found("src/attic/mod.rs", ""), 1);
    assert_eq!(found("src/queue/mod.rs", "\n#[cfg(test)]\nmod tests { use crate::cli::main; }"), 0);
}

#[test]
fn an_import_past_a_front_door_is_caught() {
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
    let tests = format!("\n#[cfg(test)]\nmod tests {{\n{}}}", "x\n".repeat(700));
    assert!(length(&Source::new("src/a.rs", &"x\n".repeat(601))).is_some());
    assert!(length(&Source::new("src/a.rs", &("x\n".repeat(599) + &tests))).is_none());
    assert!(length(&Source::new("src/main.rs", &"x\n".repeat(61))).is_some());
}

#[test]
fn a_type_name_with_two_meanings_is_found() {
    let all = [
        Source::new("src/a.rs", "pub(super) struct Answer<'a> {}\nstruct Settings;\nenum State {}"),
        Source::new(
            "src/b.rs",
            "    pub enum Answer {\nstruct Settings;\n// struct State\nlet structure = 1;",
        ),
    ];
    assert_eq!(shared_type_names(&all), ["Answer: src/a.rs, src/b.rs"]);
}

#[test]
fn vague_sentences_are_counted() {
    let text = "//! What it is.\n    /// Whether it is told.\n/// The lease.\n// What\nlet told = hears;";
    let source = Source::new("src/a.rs", text);
    assert_eq!((vague_openings(&source), vague_words(&source)), (2, 3));
}

#[test]
fn a_reach_past_the_parent_is_caught() {
    assert!(grandparents(&Source::new("src/a/b.rs", "use super::super::c;")).is_some());
    assert!(grandparents(&Source::new("src/a/b.rs", "use super::c;")).is_none());
}

#[test]
fn a_log_line_without_an_event_is_caught() {
    for text in
        ["fn f() { tracing::warn!(queue, \"odd\"); }", "tracing::debug!(\"x\")", "use tracing::{info, warn};"]
    {
        assert!(line(&Source::new("src/consumer/work.rs", text)).is_some(), "{text}");
        assert!(line(&Source::new("src/telemetry/logs.rs", text)).is_none(), "{text}");
    }
    assert!(line(&Source::new("src/consumer/work.rs", "tracing::info_span!(\"process\")")).is_none());
}

/// The file of the engine that waits for a `watch` channel: nothing else waits for that one.
const ONLY_WATCHER: &str = "src/consumer/depth/redrive.rs";

#[test]
fn chance_decides_nothing_in_the_engine() {
    for source in crate_sources().iter().filter(|source| source.path.starts_with("src/consumer/")) {
        let code = source.code();
        let arms = code.split("select! {").skip(1);
        let is_biased = arms.into_iter().all(|arms| arms.trim_start().starts_with("biased;"));
        assert!(is_biased, "{}: a select! without biased, so that no simulated seed repeats", source.path);
        let waits_for_watch = code.contains("watch::") && code.contains(".changed()");
        let is_alone = source.path == ONLY_WATCHER;
        assert!(!waits_for_watch || is_alone, "{}: a watch channel wakes in a random order", source.path);
    }
}

#[test]
fn a_second_reader_of_the_environment_is_caught() {
    for text in ["std::env::var(\"X\")", "env::vars_os()", "use std::env::var_os;"] {
        assert!(environment(&Source::new("src/cli/run.rs", text)).is_some());
        assert!(environment(&Source::new(ENVIRONMENT_READERS[0], text)).is_none());
    }
}
