//! Measures each kind of handler with one that does nothing, in the worker and called directly.
//!
//! Usage: `bench_kinds [ROUNDS]`, after `cargo build --release --bin longshore --example bench_kinds`; `make bench-kinds`
//! does both. `LONGSHORE_TEST_PYTHON` names a Python with `awslambdaric`. Prints two tables in Markdown.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark prints its figures")]

mod added;
mod contender;
mod contenders;
mod figures;
mod noop;
mod rate;
#[path = "../server.rs"]
mod server;
mod watched;
mod working;

use std::error::Error;

use self::{
    added::Samples,
    contender::Contender,
    figures::row,
    noop::{FUNCTION, HttpServer, SERVE},
    rate::Rates,
    server::Server,
};

type Failure = Box<dyn Error + Send + Sync>;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let word = std::env::args().nth(1);
    match word.as_deref() {
        Some(SERVE) => noop::serve().await,
        Some(FUNCTION) => noop::function().await,
        rounds => measure(rounds.map_or(Ok(3), str::parse)?).await,
    }
}

async fn measure(rounds: usize) -> Result<(), Failure> {
    // As the binary logs: what it costs to have the spans counts, too.
    longshore::internals::LogSettings::default().init()?;
    let (server, http) = (Server::start()?, HttpServer::start()?);
    let contenders = contenders(&server, &http).await?;
    // In turn, so that what else the machine does falls on all of them alike.
    let (mut samples, mut rates) = (Vec::new(), Vec::new());
    samples.resize_with(contenders.len(), Samples::default);
    rates.resize_with(contenders.len(), Rates::default);
    for _ in 0..rounds {
        for (contender, samples) in contenders.iter().zip(&mut samples) {
            samples.measure(contender, rounds).await?;
        }
        for (contender, rates) in contenders.iter().zip(&mut rates) {
            rates.measure(contender, &server).await?;
        }
    }
    println!("{}", head(&added::HEAD));
    for (contender, samples) in contenders.iter().zip(&samples) {
        println!("{}", samples.row(contender.name));
        if samples.in_pieces > 0 {
            eprintln!("{}: {} batches came in pieces and do not count", contender.name, samples.in_pieces);
        }
    }
    println!("\n{}", head(&rate::HEAD));
    for (contender, rates) in contenders.iter().zip(&rates) {
        println!("{}", rates.row(contender.name));
    }
    Ok(())
}

async fn contenders(server: &Server, http: &HttpServer) -> Result<Vec<Contender>, Failure> {
    let mut all = Vec::from(contenders::rust());
    all.extend(contenders::http(&http.url.parse()?)?);
    all.extend(contenders::exec());
    all.extend(contenders::rust_function()?);
    #[expect(clippy::disallowed_methods, reason = "a benchmark has no configuration")]
    match std::env::var("LONGSHORE_TEST_PYTHON") {
        Ok(python) if !python.is_empty() => all.extend(contenders::python_function(&python)),
        _ => eprintln!("without Python: LONGSHORE_TEST_PYTHON names none"),
    }
    all.push(contenders::sns(server.origin()).await?);
    Ok(all)
}

fn head(cells: &[&str]) -> String {
    let names: Vec<_> = cells.iter().map(|cell| (*cell).to_owned()).collect();
    let rule = vec!["---".to_owned(); cells.len()];
    format!("{}\n{}", row(&names), row(&rule))
}
