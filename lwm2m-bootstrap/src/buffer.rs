//! Buffers for encoders.

use alloc::vec::Vec;

use lwm2m_codec::EncodeError;
use zeroize::Zeroize;

/// Size of the first try of [`encode`].
const FIRST_BUFFER: usize = 512;

/// Encodes into a buffer that grows up to `max` bytes. What the tries leave behind is wiped: it
/// may hold keys.
pub(crate) fn encode(
    max: usize,
    mut encode: impl FnMut(&mut [u8]) -> Result<usize, EncodeError>,
) -> Result<Vec<u8>, EncodeError> {
    let mut buf = Vec::new();
    let mut size = FIRST_BUFFER.min(max);
    loop {
        buf.zeroize();
        buf.resize(size, 0);
        match encode(&mut buf) {
            Ok(len) => {
                buf.truncate(len);
                return Ok(buf);
            }
            Err(EncodeError::BufferTooSmall { .. }) if size < max => {
                size = size.saturating_mul(2).min(max);
            }
            Err(error) => {
                buf.zeroize();
                return Err(error);
            }
        }
    }
}
