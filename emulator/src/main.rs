//! The emulator as a program: `longshore-emulator [ADDRESS] [QUEUE…]`.

use std::{
    io::{self, Write as _},
    net::{Ipv4Addr, SocketAddr},
    process::ExitCode,
};

use longshore_emulator::Emulator;

const USAGE: &str = "Serves SQS and SNS on this machine, without an account.

Usage: longshore-emulator [ADDRESS] [QUEUE…]

  ADDRESS  the address to listen on [default: 127.0.0.1:9324]
  QUEUE    a queue to create; a name that ends in .fifo makes a FIFO queue
";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let ended = if arguments.iter().any(|argument| argument.starts_with('-')) {
        io::stdout().write_all(USAGE.as_bytes()).map_err(Into::into)
    } else {
        serve(&arguments).await
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

async fn serve(arguments: &[String]) -> Result<(), Box<dyn std::error::Error>> {
    let given = arguments.first().and_then(|first| first.parse().ok());
    let address: SocketAddr = given.unwrap_or_else(|| (Ipv4Addr::LOCALHOST, 9324).into());
    let emulator = Emulator::builder().address(address).start().await?;
    for name in arguments.iter().skip(usize::from(given.is_some())) {
        emulator.create_queue(name)?;
    }
    io::stdout().write_all(emulator.instructions().as_bytes())?;
    Ok(emulator.run_until_signal().await?)
}
