//! Runs a fuzz target over its kept seeds and over mutations of them, the same ones at every run.
//!
//! `make fuzz` runs the same targets under libFuzzer, which looks for inputs that reach new code.

use std::{fs, panic, path::Path};

use fastrand::Rng;

/// Enough to find a slip within a second or two.
const MUTATIONS: usize = 2_000;
const LONGEST_INPUT: usize = 4_096;

/// Text that parsers treat specially.
const TOKENS: [&str; 32] = [
    "\0",
    "\n",
    "\r\n",
    "\t",
    " ",
    "\"",
    "\\",
    "\\u0000",
    "\\ud800",
    "{",
    "}",
    "[[[[[[[[",
    "{\"a\":",
    ",",
    ":",
    ";",
    "=",
    "&",
    "%",
    "%00",
    "%ff",
    "%2e",
    ".",
    "..",
    "/",
    "-1",
    "18446744073709551616",
    "1e400",
    "null",
    "\u{feff}",
    "\u{202e}é",
    "\u{1f4a5}",
];

/// Runs the target over the seeds in the folder, and over mutations of them.
pub(crate) fn run(seeds: &Path, target: fn(&[u8])) {
    let seeds = read(seeds);
    for seed in &seeds {
        check(seed, target);
    }
    let mut random = Rng::with_seed(7);
    for _ in 0..MUTATIONS {
        check(&mutated(&seeds, &mut random), target);
    }
}

fn read(folder: &Path) -> Vec<Vec<u8>> {
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(!files.is_empty(), "no seeds in {}", folder.display());
    files.sort();
    files.iter().map(|path| fs::read(path).unwrap()).collect()
}

fn check(input: &[u8], target: fn(&[u8])) {
    let survived = panic::catch_unwind(|| target(input)).is_ok();
    assert!(survived, "an input breaks it, keep it as a seed:\n{}", input.escape_ascii());
}

/// One of the seeds with one to five changes.
fn mutated(seeds: &[Vec<u8>], random: &mut Rng) -> Vec<u8> {
    let mut input = seeds[random.usize(..seeds.len())].clone();
    for _ in 0..random.usize(1..=5) {
        let (start, end) = range(&input, random);
        let piece: Vec<u8> = match random.u8(..6) {
            0 => vec![random.u8(..)],
            1 => TOKENS[random.usize(..TOKENS.len())].into(),
            2 => Vec::new(),
            3 => input[start..end].repeat(random.usize(2..40)),
            4 => {
                let other = &seeds[random.usize(..seeds.len())];
                let (start, end) = range(other, random);
                other[start..end].to_vec()
            }
            _ => [&input[start..end], TOKENS[random.usize(..TOKENS.len())].as_bytes()].concat(),
        };
        input.splice(start..end, piece);
        input.truncate(LONGEST_INPUT);
    }
    input
}

/// A part of an input, as a rule a short one.
fn range(input: &[u8], random: &mut Rng) -> (usize, usize) {
    let start = random.usize(..=input.len());
    let longest = if random.u8(..4) == 0 { input.len() - start } else { (input.len() - start).min(8) };
    (start, start + random.usize(..=longest))
}
