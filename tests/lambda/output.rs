//! What functions write.
