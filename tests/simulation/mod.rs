//! Whole workers over one store with seeded faults, checked against the promises of `docs/delivery.md`.

mod agent;
mod check;
mod model;
mod network;
mod plan;
mod record;
mod run;

use std::{ops::Range, panic};

use self::{check::broken_promises, plan::World, record::Record, run::simulate};

/// The seeds of every test run; `make simulate` runs more.
const SEEDS: Range<u64> = 0..100;
/// Seeds beyond those that found faults of the engine, which are mended.
const ONCE_BROKEN: [u64; 5] = [223, 286, 2472, 2843, 4771];

/// The seeds that `LONGSHORE_SIMULATION_SEEDS` names (`7`, or `0..3000`), or those of every test run.
#[expect(clippy::disallowed_methods, reason = "no setting, but how to run the tests")]
fn seeds() -> Range<u64> {
    let Ok(text) = std::env::var("LONGSHORE_SIMULATION_SEEDS") else { return SEEDS };
    let bounds: Vec<u64> = text.split("..").map(|bound| bound.parse().unwrap()).collect();
    match bounds[..] {
        [seed] => seed..seed + 1,
        [first, end] => first..end,
        _ => panic!("neither a seed nor a range: {text}"),
    }
}

/// True if the first seed that fails is enough.
#[expect(clippy::disallowed_methods, reason = "no setting, but how to run the tests")]
fn stops_at_the_first() -> bool {
    std::env::var_os("LONGSHORE_SIMULATION_FIRST").is_some()
}

/// The promises that a seed breaks, and how to run it alone.
fn failure_of(seed: u64) -> Option<String> {
    let record = panic::catch_unwind(|| simulate(seed));
    let broken = match &record {
        Ok(record) => broken_promises(record),
        Err(panic) => vec![format!("a panic: {:?}", panic.downcast_ref::<String>())],
    };
    if broken.is_empty() {
        return None;
    }
    let command = format!(
        "LONGSHORE_SIMULATION_SEEDS={seed} cargo test --locked --lib every_promise_holds -- --nocapture"
    );
    Some(format!("seed {seed} breaks {}\n  {}\nreplay: {command}", broken.len(), broken.join("\n  ")))
}

#[test]
fn every_promise_holds_in_every_seeded_world() {
    let seeds = seeds();
    if seeds.end - seeds.start == 1 {
        print(&simulate(seeds.start));
    }
    let failures: Vec<_> = if stops_at_the_first() {
        seeds.clone().find_map(failure_of).into_iter().collect()
    } else {
        let halves = [0, 1].map(|half| {
            let seeds = seeds.clone().filter(move |seed| seed % 2 == half);
            let simulating = move || seeds.filter_map(failure_of).collect::<Vec<_>>();
            std::thread::Builder::new().name("simulation".to_owned()).spawn(simulating).unwrap()
        });
        halves.into_iter().flat_map(|half| half.join().unwrap()).collect()
    };
    assert!(
        failures.is_empty(),
        "{} of {} seeds fail\n{}",
        failures.len(),
        seeds.end - seeds.start,
        failures.join("\n")
    );
}

#[test]
fn worlds_that_once_broke_a_promise_keep_all() {
    let failures: Vec<_> = ONCE_BROKEN.into_iter().filter_map(failure_of).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn print(record: &Record) {
    println!("{:#?}", record.world);
    record.events.iter().for_each(|event| println!("{event}"));
}

#[test]
fn a_seed_is_always_the_same_story() {
    for seed in SEEDS.step_by(10) {
        let [first, second] =
            [(); 2].map(|()| simulate(seed).events.iter().map(ToString::to_string).collect::<Vec<_>>());
        let parts = first.iter().zip(&second).position(|(first, second)| first != second);
        assert_eq!(parts.map(|position| (&first[position], &second[position])), None, "seed {seed}");
        assert_eq!(first.len(), second.len(), "seed {seed}");
    }
}

#[test]
fn seeds_make_worlds_of_every_kind() {
    let worlds: Vec<_> = SEEDS.map(World::of).collect();
    for (kind, count) in [
        ("fifo", worlds.iter().filter(|world| world.queue.fifo).count()),
        ("several workers", worlds.iter().filter(|world| world.workers > 1).count()),
        ("batches", worlds.iter().filter(|world| world.worker.batch > 1).count()),
        ("incidents", worlds.iter().filter(|world| !world.incidents.is_empty()).count()),
    ] {
        assert!((20..=90).contains(&count), "{count} worlds of 100 have {kind}");
    }
}
