//! Fuzz target of programs' output: any bytes become lines within the limit, and none is lost.

use super::{LINE_BYTES, Lines, OutputLine};

/// The first byte is the size of the chunks.
pub(crate) fn output(input: &[u8]) {
    let Some((size, bytes)) = input.split_first() else { return };
    let (mut lines, mut count, mut cut) = (Lines::default(), 0, 0);
    let mut take = |line: OutputLine<'_>| {
        assert!(!line.text.contains('\n'));
        // A byte that is no UTF-8 becomes three.
        assert!(line.text.len() <= 3 * LINE_BYTES);
        (count, cut) = (count + 1, cut + line.cut_bytes);
    };
    for chunk in bytes.chunks(usize::from(*size).max(1)) {
        lines.push(chunk, &mut take);
    }
    lines.end(&mut take);
    let whole = bytes.split(|byte| *byte == b'\n').count() - 1;
    let rest = bytes.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    assert_eq!(count, whole + usize::from(!rest.is_empty()));
    assert!(cut <= bytes.len() as u64);
}
