//! Checks the ISBN-13 on its standard input: exits with 0 if it is one, and with 65, a reject, if it never will be.

use std::{
    io::{self, Read as _},
    process::ExitCode,
};

/// Longshore rejects a message whose program exits with this.
const REJECT: u8 = 65;

fn main() -> ExitCode {
    let mut body = String::new();
    if let Err(error) = io::stdin().read_to_string(&mut body) {
        eprintln!("cannot read the message: {error}");
        return ExitCode::from(REJECT);
    }
    let isbn = body.trim();
    if is_isbn(isbn) {
        println!("checked ISBN {isbn}");
        return ExitCode::SUCCESS;
    }
    eprintln!("not an ISBN: {isbn}");
    ExitCode::from(REJECT)
}

/// Whether these are 13 digits, hyphens aside, of which the last one fits the others.
fn is_isbn(text: &str) -> bool {
    let digits: Option<Vec<u32>> = text.chars().filter(|c| *c != '-').map(|c| c.to_digit(10)).collect();
    let Some(digits) = digits.filter(|digits| digits.len() == 13) else { return false };
    let sum: u32 = digits.iter().zip([1, 3].into_iter().cycle()).map(|(digit, weight)| digit * weight).sum();
    sum % 10 == 0
}
