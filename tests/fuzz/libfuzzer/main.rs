//! Runs the fuzz target that `LONGSHORE_FUZZ` names under libFuzzer; without one, or with another name, prints the names.

#![no_main]

use std::sync::LazyLock;

static TARGET: LazyLock<fn(&[u8])> = LazyLock::new(|| {
    let all = || longshore::fuzz::TARGETS.iter().chain(longshore_emulator::fuzz::TARGETS);
    let name = std::env::var("LONGSHORE_FUZZ").unwrap_or_default();
    let Some((_, target)) = all().find(|(own, _)| *own == name) else {
        all().for_each(|(name, _)| println!("{name}"));
        std::process::exit(2);
    };
    *target
});

libfuzzer_sys::fuzz_target!(|input: &[u8]| (*TARGET)(input));
