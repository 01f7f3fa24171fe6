//! `longshore dlq export`: writes the messages of a DLQ to a file, and leaves them there.

use std::{
    fs::File,
    io::{BufWriter, Write as _},
    path::{Path, PathBuf},
    time::SystemTime,
};

use clap::Args;

use super::{
    ended,
    options::{DlqOptions, FilterOptions},
};
use crate::{
    cli::output::{self, Exit, Failure},
    dead_letters::{ShownMessage, Visit, visit},
    stop::Stop,
};

/// Writes messages as JSON, an object a line, and leaves them in the DLQ
#[derive(Args, Debug)]
pub(super) struct DlqExport {
    #[command(flatten)]
    dlq: DlqOptions,
    #[command(flatten)]
    filter: FilterOptions,
    /// The most messages to write [default: all]
    #[arg(long, value_name = "NUMBER")]
    limit: Option<usize>,
    /// The file to write, which must not exist [default: standard output]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl DlqExport {
    pub(super) async fn execute(self, stop: Stop) -> Result<(), Failure> {
        let queue = self.dlq.open().await?.location.dlq;
        let mut file = self.output.as_deref().map(create).transpose()?;
        let mut progress = output::ProgressLine::new();
        let mut failure = None;
        let visited = Visit { queue, filter: self.filter.filter(), limit: self.limit, deletes: false, stop };
        let end = visit(&visited, |(message, before)| {
            let shown = ShownMessage::of(message, SystemTime::now());
            let written = match &mut file {
                Some(file) => {
                    writeln!(file, "{}", output::json_line(&shown)).map_err(|error| unwritten(&error))
                }
                None => output::print_json(&shown),
            };
            if self.output.is_some() {
                progress.show(&format!("{} written", before + 1));
            }
            written.map_err(|error| failure = Some(error)).is_ok()
        });
        let end = end.await;
        progress.clear();
        if let Some(file) = &mut file {
            file.flush().map_err(|error| unwritten(&error))?;
        }
        failure.map_or(Ok(()), Err)?;
        ended("written", end)
    }
}

fn create(path: &Path) -> Result<BufWriter<File>, Failure> {
    let failed = |error| Failure::new(Exit::Usage, format!("cannot create {}: {error}", path.display()));
    File::create_new(path).map(BufWriter::new).map_err(failed)
}

fn unwritten(error: &std::io::Error) -> Failure {
    Failure::new(Exit::Internal, format!("cannot write the file: {error}"))
}
