//! One face for encoding every payload format.

use crate::{ContentFormat, EncodeError, Path, Record, out::Out, single, tlv::TlvEncoder};

/// Encodes records into the caller's buffer.
///
/// TLV and LwM2M CBOR want their records in ascending path order. After an error the content of
/// the buffer is undefined.
///
/// ```
/// use lwm2m_codec::{ContentFormat, Encoder, Path, Record, Value};
/// let mut buf = [0; 16];
/// let mut encoder = Encoder::new(ContentFormat::TLV, Path::instance(3, 0), &mut buf)?;
/// encoder.push(&Record::new(Path::resource(3, 0, 9), Value::Integer(100)))?;
/// let len = encoder.finish()?;
/// assert_eq!(buf[..len], [0xc1, 9, 100]);
/// # Ok::<(), lwm2m_codec::EncodeError>(())
/// ```
#[derive(Debug)]
pub struct Encoder<'b> {
    out: Out<'b>,
    base: Path,
    format: Format,
}

#[derive(Debug)]
enum Format {
    Single {
        format: ContentFormat,
        written: bool,
    },
    Tlv(TlvEncoder),
}

impl<'b> Encoder<'b> {
    /// Starts to encode what lies at or below `base`.
    ///
    /// # Errors
    /// [`EncodeError::UnsupportedFormat`]; [`EncodeError::NotExpressible`] if the format can't
    /// stand at `base`; [`EncodeError::BufferTooSmall`].
    pub fn new(format: ContentFormat, base: Path, buf: &'b mut [u8]) -> Result<Self, EncodeError> {
        let out = Out::new(buf);
        let format = match format.canonical() {
            ContentFormat::TLV => Format::Tlv(TlvEncoder::new(base)?),
            format if format.is_single_value() => {
                if base.len() < 3 {
                    return Err(EncodeError::NotExpressible { path: base, format });
                }
                Format::Single {
                    format,
                    written: false,
                }
            }
            other => return Err(EncodeError::UnsupportedFormat(other)),
        };
        Ok(Self { out, base, format })
    }

    /// Appends a record.
    ///
    /// # Errors
    /// [`EncodeError`]: what the format can't carry, the wrong order, or a full buffer.
    pub fn push(&mut self, record: &Record<'_>) -> Result<(), EncodeError> {
        if !self.base.contains(&record.path) {
            return Err(EncodeError::OutsideBase {
                path: record.path,
                base: self.base,
            });
        }
        match &mut self.format {
            Format::Single { format, written } => {
                if *written || record.path != self.base {
                    return Err(EncodeError::NotExpressible {
                        path: record.path,
                        format: *format,
                    });
                }
                *written = true;
                single::encode(&mut self.out, *format, record)
            }
            Format::Tlv(tlv) => tlv.push(&mut self.out, record),
        }
    }

    /// Ends the payload and returns its length in bytes.
    ///
    /// # Errors
    /// [`EncodeError::BufferTooSmall`]; [`EncodeError::NotExpressible`] if a format of one value
    /// got none.
    pub fn finish(mut self) -> Result<usize, EncodeError> {
        match self.format {
            Format::Single {
                format,
                written: false,
            } => {
                return Err(EncodeError::NotExpressible {
                    path: self.base,
                    format,
                });
            }
            Format::Single { .. } => {}
            Format::Tlv(tlv) => tlv.finish(&mut self.out)?,
        }
        Ok(self.out.len())
    }
}
