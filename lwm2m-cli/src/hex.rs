//! Bytes as hexadecimal digits.

use std::fmt::Write;

/// Reads pairs of digits; `None` for anything else.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect();
    let (pairs, rest) = digits.as_deref()?.as_chunks::<2>();
    let bytes = pairs.iter().map(|[high, low]| (high << 4) | low).collect();
    rest.is_empty().then_some(bytes)
}

/// Writes lower-case digits.
pub(crate) fn encode(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String can't fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_survive_the_way_through_digits() {
        assert_eq!(decode("00fF7a"), Some(vec![0, 255, 0x7a]));
        assert_eq!(encode(&[0, 255, 0x7a]), "00ff7a");
        assert_eq!(decode(""), Some(vec![]));
    }

    #[test]
    fn what_is_no_pair_of_digits_is_refused() {
        for wrong in ["0", "0g", "abc", "+1", " 00", "0x00"] {
            assert_eq!(decode(wrong), None, "{wrong}");
        }
    }
}
