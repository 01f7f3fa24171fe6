//! The page that lists the promises names tests that exist.
