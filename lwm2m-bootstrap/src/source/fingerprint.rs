//! What tells one card from another.

use sha2::{Digest, Sha256};

use super::Fingerprint;

/// Takes the SHA-256 over the number of a card (ICCID) and what was found with it: the bytes of
/// its file, or what the network said.
///
/// Another card with the same file has another fingerprint, and so has the same card after its
/// file was changed over the air.
pub fn fingerprint(iccid: &[u8], found: &[u8]) -> Fingerprint {
    Sha256::new()
        .chain_update(iccid)
        .chain_update(found)
        .finalize()
        .into()
}
