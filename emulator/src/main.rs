//! The emulator as a program: `longshore-emulator [OPTION…] [ADDRESS] [QUEUE…]`.

use std::{
    io::{self, Write as _},
    net::{Ipv4Addr, SocketAddr},
    process::ExitCode,
};

use longshore_emulator::{Emulator, EmulatorBuilder};

const USAGE: &str = "Serves SQS and SNS on this machine, without an account.

Usage: longshore-emulator [OPTION…] [ADDRESS] [QUEUE…]

  ADDRESS  the address to listen on [default: 127.0.0.1:9324]
  QUEUE    a queue to create; a name that ends in .fifo makes a FIFO queue

  --allow-host NAME      a further host name by which clients reach it; may be repeated
  --config FILE          a TOML file of queues and topics to create
  --data DIRECTORY       keep queues, messages and topics here over restarts
  --delete-delay TIME    refuse the name of a deleted queue for this time; in SQS 60s [default: 0s]
  --region NAME          the region of queues and declared topics [default: us-east-1]
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
    builder: EmulatorBuilder,
    queues: Vec<String>,
}

impl Arguments {
    /// Reads the arguments; `None` if the usage is to be shown.
    fn read(mut arguments: impl Iterator<Item = String>) -> Option<Self> {
        let default: SocketAddr = (Ipv4Addr::LOCALHOST, 9324).into();
        let mut read = Self { builder: Emulator::builder().address(default), queues: Vec::new() };
        let mut is_first = true;
        while let Some(argument) = arguments.next() {
            if argument.starts_with('-') {
                read.builder = set(read.builder, &argument, arguments.next()?)?;
                continue;
            }
            match argument.parse::<SocketAddr>() {
                Ok(address) if is_first => read.builder = read.builder.address(address),
                _ => read.queues.push(argument),
            }
            is_first = false;
        }
        Some(read)
    }

    async fn serve(self) -> Result<(), Box<dyn std::error::Error>> {
        let emulator = self.builder.start().await?;
        for name in self.queues {
            emulator.ensure_queue(&name, None)?;
        }
        io::stdout().write_all(emulator.instructions().as_bytes())?;
        Ok(emulator.run_until_signal().await?)
    }
}

/// Sets one option; `None` if there is no such option or value.
fn set(builder: EmulatorBuilder, option: &str, value: String) -> Option<EmulatorBuilder> {
    Some(match option {
        "--allow-host" => builder.allow_host(value),
        "--config" => builder.config_file(value),
        "--data" => builder.data_dir(value),
        "--delete-delay" => builder.delete_delay(humantime::parse_duration(&value).ok()?),
        "--region" => builder.region(value),
        "--stored-bytes" => builder.stored_bytes(value.parse().ok()?),
        _ => return None,
    })
}
