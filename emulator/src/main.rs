//! The emulator as a program: `longshore-emulator [OPTION…] [ADDRESS] [QUEUE…]`.

use std::{
    io::{self, Write as _},
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
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
    hosts: Vec<String>,
    stored_bytes: Option<usize>,
    config: Option<PathBuf>,
    data: Option<PathBuf>,
    queues: Vec<String>,
}

impl Arguments {
    /// Reads the arguments; `None` if the usage is to be shown.
    fn read(mut arguments: impl Iterator<Item = String>) -> Option<Self> {
        let address = (Ipv4Addr::LOCALHOST, 9324).into();
        let (hosts, queues) = (Vec::new(), Vec::new());
        let mut read = Self { address, hosts, stored_bytes: None, config: None, data: None, queues };
        let mut is_first = true;
        while let Some(argument) = arguments.next() {
            if argument.starts_with('-') {
                read.set(&argument, arguments.next()?)?;
                continue;
            }
            match argument.parse() {
                Ok(address) if is_first => read.address = address,
                _ => read.queues.push(argument),
            }
            is_first = false;
        }
        Some(read)
    }

    fn set(&mut self, option: &str, value: String) -> Option<()> {
        match option {
            "--allow-host" => self.hosts.push(value),
            "--config" => self.config = Some(value.into()),
            "--data" => self.data = Some(value.into()),
            "--stored-bytes" => self.stored_bytes = Some(value.parse().ok()?),
            _ => return None,
        }
        Some(())
    }

    async fn serve(self) -> Result<(), Box<dyn std::error::Error>> {
        let builder = Emulator::builder().address(self.address);
        let mut builder = self.hosts.into_iter().fold(builder, EmulatorBuilder::allow_host);
        if let Some(bytes) = self.stored_bytes {
            builder = builder.stored_bytes(bytes);
        }
        if let Some(file) = self.config {
            builder = builder.config_file(file);
        }
        if let Some(directory) = self.data {
            builder = builder.data_dir(directory);
        }
        let emulator = builder.start().await?;
        for name in self.queues {
            emulator.ensure_queue(&name, None)?;
        }
        io::stdout().write_all(emulator.instructions().as_bytes())?;
        Ok(emulator.run_until_signal().await?)
    }
}
