//! The suite that every queue runs through.
