//! A process on a terminal of its own, whose screen can be read and which has keys.

use std::{
    num::NonZeroU16,
    os::fd::{AsFd as _, OwnedFd},
    process::Command as PlainCommand,
};

use pty_process::{Command, OwnedReadPty, OwnedWritePty, Size};
use rustix::termios::{LocalModes, tcgetattr};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    process::Child,
    sync::watch,
    task::JoinHandle,
};
use vt100::Parser;

use super::{Signal, in_time, tasks};

/// A process that runs on a terminal; dropping it kills it.
pub(crate) struct OnTerminal {
    child: Child,
    keys: OwnedWritePty,
    terminal: OwnedFd,
    modes: LocalModes,
    screen: watch::Receiver<Parser>,
    reading: JoinHandle<()>,
    _directory: TempDir,
}

impl OnTerminal {
    /// Starts the program of a command on a terminal with so many rows and columns.
    pub(super) fn start(command: &PlainCommand, directory: TempDir, (rows, columns): (u16, u16)) -> Self {
        let (pty, pts) = pty_process::open().unwrap();
        pty.resize(Size::new(rows, columns)).unwrap();
        let terminal = pty.as_fd().try_clone_to_owned().unwrap();
        let modes = tcgetattr(&terminal).unwrap().local_modes;
        let variables = command.get_envs().filter_map(|(name, value)| Some((name, value?)));
        let on_terminal = Command::new(command.get_program()).args(command.get_args());
        let on_terminal = on_terminal.env_clear().envs(variables).env("TERM", "xterm-256color");
        let child = on_terminal.current_dir(&directory).kill_on_drop(true).spawn(pts).unwrap();
        let (output, keys) = pty.into_split();
        let size = [rows, columns].map(|count| NonZeroU16::new(count).unwrap());
        let (sender, screen) = watch::channel(Parser::new(size[0], size[1], 0));
        let reading = tasks::detach("screen", read(output, sender));
        Self { child, keys, terminal, modes, screen, reading, _directory: directory }
    }

    /// Waits until the screen has this text; returns the whole screen.
    pub(crate) async fn shows(&self, wanted: &str) -> String {
        let mut screen = self.screen.clone();
        let found = async {
            let found = screen.wait_for(|parser| parser.screen().contents().contains(wanted)).await;
            found.map(|parser| parser.screen().contents()).ok()
        };
        let shown = || self.screen.borrow().screen().contents();
        tokio::select! {
            found = found => found.unwrap_or_else(|| panic!("ended without {wanted:?}:\n{}", shown())),
            () = tokio::time::sleep(super::PATIENCE) => panic!("no {wanted:?} on the screen:\n{}", shown()),
        }
    }

    /// True if the first such character on the screen has a colour.
    pub(crate) fn is_coloured(&self, wanted: char) -> bool {
        let parser = self.screen.borrow();
        let screen = parser.screen();
        let (rows, columns) = screen.size();
        let mut cells = (0..rows.get()).flat_map(|row| (0..columns.get()).map(move |column| (row, column)));
        let cell = cells.find_map(|(row, column)| {
            screen.cell(row, column).filter(|cell| cell.contents().starts_with(wanted))
        });
        cell.unwrap().fgcolor() != vt100::Color::Default
    }

    pub(crate) async fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).await.unwrap();
    }

    pub(crate) fn signal(&self, signal: Signal) {
        signal.send(self.child.id().expect("the process runs"));
    }

    /// Waits for its end; the terminal must be as it was before. Returns the exit code.
    pub(crate) async fn ended(mut self) -> Option<i32> {
        let status = in_time("the end of a process on a terminal", self.child.wait()).await.unwrap();
        in_time("the end of its output", self.reading).await.unwrap();
        let parser = self.screen.borrow();
        let screen = parser.screen();
        assert!(!screen.alternate_screen(), "the alternate screen was not left");
        assert!(!screen.hide_cursor(), "the cursor was not shown again");
        assert_eq!(tcgetattr(&self.terminal).unwrap().local_modes, self.modes, "raw mode was not left");
        status.code()
    }

    /// True while the process has the terminal for itself.
    pub(crate) fn is_taken(&self) -> bool {
        let modes = tcgetattr(&self.terminal).unwrap().local_modes;
        modes != self.modes && self.screen.borrow().screen().alternate_screen()
    }
}

/// Reads the output until the process has closed the terminal.
async fn read(mut output: OwnedReadPty, screen: watch::Sender<Parser>) {
    let mut bytes = [0; 4096];
    while let Ok(count @ 1..) = output.read(&mut bytes).await {
        screen.send_modify(|parser| parser.process(&bytes[..count]));
    }
}
