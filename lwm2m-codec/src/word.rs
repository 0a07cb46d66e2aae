//! Payloads a word at a time.

/// The first eight bytes, the first of them highest; zeros stand for what is missing.
#[inline(always)]
pub(crate) fn first_word(bytes: &[u8]) -> u64 {
    match bytes.first_chunk() {
        Some(chunk) => u64::from_be_bytes(*chunk),
        None => short_word(bytes),
    }
}

#[inline(never)]
fn short_word(bytes: &[u8]) -> u64 {
    let missing = 8u32.saturating_sub(bytes.len() as u32).wrapping_mul(8);
    let word = bytes
        .iter()
        .fold(0, |word, byte| (word << 8) | u64::from(*byte));
    word.checked_shl(missing).unwrap_or(0)
}
