//! The fuzz targets of the emulator, by name, each with its seeds in a folder of that name.

#[cfg(test)]
pub(crate) mod driver;

/// Gives a parser an input; panics where a fact does not hold that holds for every input.
pub type Target = fn(&[u8]);

/// The targets by name.
pub const TARGETS: &[(&str, Target)] =
    &[("emulator_forms", crate::server::fuzz::forms), ("emulator_json", crate::server::fuzz::json)];

#[cfg(test)]
fn run(name: &str) {
    let seeds = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fuzz/seeds")).join(name);
    let (_, target) = TARGETS.iter().find(|(own, _)| *own == name).unwrap();
    driver::run(&seeds, *target);
}

#[test]
fn no_form_breaks_the_emulator() {
    run("emulator_forms");
}

#[test]
fn no_json_breaks_the_emulator() {
    run("emulator_json");
}
