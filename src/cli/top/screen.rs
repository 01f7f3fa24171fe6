//! The terminal while the program runs, which is as it was after its end: by a key, an error, a signal or a panic.

use std::{io, thread};

use ratatui::{DefaultTerminal, Frame, crossterm::event};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc::UnboundedSender,
};

use super::Input;

/// The alternate screen of a terminal whose keys arrive at once.
pub(super) struct Screen(DefaultTerminal);

impl Screen {
    /// Takes the terminal; a panic gives it back before its message is printed.
    pub(super) fn open() -> io::Result<Self> {
        match ratatui::try_init() {
            Ok(terminal) => Ok(Self(terminal)),
            Err(error) => {
                restore();
                Err(error)
            }
        }
    }

    pub(super) fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        self.0.draw(draw).map(drop)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore();
    }
}

/// Gives the terminal back; it cannot be where it is gone.
fn restore() {
    drop(ratatui::try_restore());
}

/// Sends keys and changes of the size as inputs, from a thread that ends with the process.
pub(super) fn read_keys(inputs: UnboundedSender<Input>) -> io::Result<()> {
    let read = move || {
        loop {
            let input = event::read().map_or_else(Input::NoTerminal, Input::Terminal);
            let is_last = matches!(input, Input::NoTerminal(_));
            if inputs.send(input).is_err() || is_last {
                return;
            }
        }
    };
    thread::Builder::new().name("keys".to_owned()).spawn(read).map(drop)
}

/// The signals that end the program.
pub(super) struct EndSignals {
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
    hangup: Signal,
}

impl EndSignals {
    /// Listens from now on; needs a tokio runtime.
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the first of them.
    pub(super) async fn received(&mut self) {
        tokio::select! {
            biased;
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
            _ = self.quit.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}
