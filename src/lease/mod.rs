//! The time for which a message is held: counted, extended, lost.
