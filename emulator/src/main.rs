//! The emulator as a program: `longshore-emulator [--stored-bytes NUMBER] [ADDRESS] [QUEUE…]`.

use std::{
    io::{self, Write as _},
    net::{Ipv4Addr, SocketAddr},
    process::ExitCode,
};

use longshore_emulator::Emulator;

const USAGE: &str = "Serves SQS and SNS on this machine, without an account.

Usage: longshore-emulator [--stored-bytes NUMBER] [ADDRESS] [QUEUE…]

  ADDRESS  the address to listen on [default: 127.0.0.1:9324]
  QUEUE    a queue to create; a name that ends in .fifo makes a FIFO queue

  --stored-bytes NUMBER  the most bytes of all queues and topics [default: 1073741824]
";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let ended = match Arguments::read(std::env::args().skip(1)) {
        Some(arguments) => arguments.serve().await,
        None => io::stdout().write_all(USAGE.as_bytes()).map_err(Into::into),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Without standard error the message cannot be shown.
            drop(writeln!(io::stderr(), "error: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// The arguments of the program.
struct Arguments {
    address: SocketAddr,
    stored_bytes: Option<usize>,
    queues: Vec<String>,
}

impl Arguments {
    /// Reads the arguments; `None` if the usage is to be shown.
    fn read(mut arguments: impl Iterator<Item = String>) -> Option<Self> {
        let address = (Ipv4Addr::LOCALHOST, 9324).into();
        let mut read = Self { address, stored_bytes: None, queues: Vec::new() };
        let mut is_first = true;
        while let Some(argument) = arguments.next() {
            if argument == "--stored-bytes" {
                read.stored_bytes = Some(arguments.next()?.parse().ok()?);
                continue;
            }
            if argument.starts_with('-') {
                return None;
            }
            match argument.parse() {
                Ok(address) if is_first => read.address = address,
                _ => read.queues.push(argument),
            }
            is_first = false;
        }
        Some(read)
    }

    async fn serve(self) -> Result<(), Box<dyn std::error::Error>> {
        let mut builder = Emulator::builder().address(self.address);
        if let Some(bytes) = self.stored_bytes {
            builder = builder.stored_bytes(bytes);
        }
        let emulator = builder.start().await?;
        for name in self.queues {
            emulator.create_queue(&name)?;
        }
        io::stdout().write_all(emulator.instructions().as_bytes())?;
        Ok(emulator.run_until_signal().await?)
    }
}
