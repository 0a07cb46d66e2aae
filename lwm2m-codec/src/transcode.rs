//! From one format to another.

use crate::{DecodeError, Decoder, EncodeError, Encoder};

/// Says why a payload can't be carried over to another format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TranscodeError {
    /// The payload is broken.
    #[error("{0}")]
    Decode(#[from] DecodeError),
    /// The other format can't carry a record, or wants another order.
    #[error("{0}")]
    Encode(#[from] EncodeError),
}

/// Encodes all records of a payload in another format and returns the length in bytes.
///
/// It allocates nothing. TLV and LwM2M CBOR want the records in ascending path order; a payload
/// in another order has to be sorted by its user.
///
/// ```
/// use lwm2m_codec::{ContentFormat, Decoder, Encoder, NoTypes, Path, transcode};
/// let json = br#"[{"bn":"/3/0/","n":"9","v":95}]"#;
/// let base = Path::instance(3, 0);
/// let decoder = Decoder::new(ContentFormat::SENML_JSON, base, json, &NoTypes)?;
/// let mut buf = [0; 16];
/// let encoder = Encoder::new(ContentFormat::TLV, base, &mut buf)?;
/// let len = transcode(decoder, encoder)?;
/// assert_eq!(buf[..len], [0xc1, 9, 95]);
/// # Ok::<(), lwm2m_codec::TranscodeError>(())
/// ```
///
/// # Errors
/// [`TranscodeError::Decode`] for a payload that is broken. [`TranscodeError::Encode`]:
/// [`EncodeError::OutOfOrder`]; [`EncodeError::NotExpressible`], for times in TLV and LwM2M CBOR,
/// null, and several values in a format of one; also for records without value between formats
/// where these are empty instances and resources, and those where they ask for a path.
pub fn transcode(decoder: Decoder<'_>, mut encoder: Encoder<'_>) -> Result<usize, TranscodeError> {
    let keeps_places = decoder.has_containers() == encoder.has_containers();
    for record in decoder {
        let record = record?;
        if record.value.is_none() && !keeps_places {
            return Err(encoder.not_expressible(record.path).into());
        }
        encoder.push(&record)?;
    }
    Ok(encoder.finish()?)
}
