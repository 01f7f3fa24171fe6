//! The Runtime Interface Emulator.
