//! One face for decoding every payload format.

use core::fmt;

use crate::{
    ContentFormat, DecodeError, DecodeErrorKind, Path, Record, TypeOf,
    lwm2m_cbor::LwCborDecoder,
    name::Root,
    oma_json::OmaJsonDecoder,
    senml::{SenmlCborDecoder, SenmlJsonDecoder},
    single,
    tlv::TlvDecoder,
};

/// Most records that one payload may hold.
pub const MAX_RECORDS: usize = 16_384;

/// Decodes a payload: an iterator of records that borrow from it, without allocation.
///
/// After an error it ends. Ids that the object definition does not know are returned all the
/// same, so that the caller decides what to skip; a TLV value of unknown type is opaque.
///
/// ```
/// use lwm2m_codec::{ContentFormat, Decoder, Path, Record, Type, Value};
/// let types = |_| Some(Type::Integer);
/// let mut decoder = Decoder::new(
///     ContentFormat::TLV, Path::instance(3, 0), &[0xc1, 9, 100], &types)?;
/// let battery = Record::new(Path::resource(3, 0, 9), Value::Integer(100));
/// assert_eq!(decoder.next(), Some(Ok(battery)));
/// assert_eq!(decoder.next(), None);
/// # Ok::<(), lwm2m_codec::DecodeError>(())
/// ```
#[derive(Clone)]
pub struct Decoder<'a> {
    types: &'a dyn TypeOf,
    base: Path,
    within_base: bool,
    left: usize,
    format: Format<'a>,
}

#[derive(Debug, Clone)]
enum Format<'a> {
    /// Nothing is left, or an error was returned.
    Done,
    Single(ContentFormat, &'a [u8]),
    Tlv(TlvDecoder<'a>),
    SenmlJson(SenmlJsonDecoder<'a>),
    SenmlCbor(SenmlCborDecoder<'a>),
    OmaJson(OmaJsonDecoder<'a>),
    LwCbor(LwCborDecoder<'a>),
}

impl<'a> Decoder<'a> {
    /// Starts to decode what was read from, or is to be written to, `base`.
    ///
    /// # Errors
    /// [`DecodeErrorKind::UnsupportedFormat`]; [`DecodeErrorKind::InvalidPath`] if the format
    /// can't stand at `base`; what the first bytes of some formats say already.
    pub fn new(
        format: ContentFormat,
        base: Path,
        payload: &'a [u8],
        types: &'a dyn TypeOf,
    ) -> Result<Self, DecodeError> {
        let format = match format.canonical() {
            ContentFormat::TLV => Format::Tlv(TlvDecoder::new(base, payload)?),
            ContentFormat::SENML_JSON | ContentFormat::SENML_ETCH_JSON => {
                Format::SenmlJson(SenmlJsonDecoder::new(payload)?)
            }
            ContentFormat::SENML_CBOR | ContentFormat::SENML_ETCH_CBOR => {
                Format::SenmlCbor(SenmlCborDecoder::new(payload)?)
            }
            ContentFormat::OMA_JSON => Format::OmaJson(OmaJsonDecoder::new(base, payload)?),
            ContentFormat::LWM2M_CBOR => Format::LwCbor(LwCborDecoder::new(payload)?),
            single if single.is_single_value() => {
                if base.len() < 3 {
                    return Err(DecodeError::new(0, DecodeErrorKind::InvalidPath));
                }
                Format::Single(single, payload)
            }
            other => {
                let kind = DecodeErrorKind::UnsupportedFormat(other);
                return Err(DecodeError::new(0, kind));
            }
        };
        Ok(Self {
            types,
            base,
            within_base: false,
            left: MAX_RECORDS,
            format,
        })
    }

    /// Refuses records outside of the base path by [`DecodeErrorKind::OutsideBase`].
    ///
    /// Without it, formats with absolute names may bring others: linked instances in the answer
    /// to a Read (TS-Core §7.5.6). TLV never does.
    #[must_use]
    pub fn within_base(mut self) -> Self {
        self.within_base = true;
        self
    }

    /// Expects every name to begin with `root`: an alternate path such as `/lwm2m`, which SenML
    /// names carry (TS-Core §7.5.6), or the prefix of a device behind a gateway.
    ///
    /// The records' paths come without it. TLV and formats of one value know no names.
    #[must_use]
    pub fn root(self, root: &'a str) -> Self {
        self.with_root(Root::fixed(root))
    }

    /// Accepts one segment that is no number in front of every name, or none.
    ///
    /// [`Decoder::last_root`] tells which one it was.
    #[must_use]
    pub fn any_root(self) -> Self {
        self.with_root(Root::Any)
    }

    fn with_root(mut self, root: Root<'a>) -> Self {
        match &mut self.format {
            Format::Done | Format::Single(..) | Format::Tlv(_) => {}
            Format::SenmlJson(pack) => pack.set_root(root),
            Format::SenmlCbor(pack) => pack.set_root(root),
            Format::OmaJson(pack) => pack.set_root(root),
            Format::LwCbor(maps) => maps.set_root(root),
        }
        self
    }

    /// The segment before the path of the last record, without slashes, after
    /// [`Decoder::any_root`].
    pub const fn last_root(&self) -> Option<&'a str> {
        match &self.format {
            Format::Done | Format::Single(..) | Format::Tlv(_) => None,
            Format::SenmlJson(pack) => pack.last_root(),
            Format::SenmlCbor(pack) => pack.last_root(),
            Format::OmaJson(pack) => pack.last_root(),
            Format::LwCbor(maps) => maps.last_root(),
        }
    }

    #[inline]
    fn record(&mut self) -> Result<Option<Record<'a>>, DecodeError> {
        match &mut self.format {
            Format::Done => Ok(None),
            Format::Single(format, payload) => {
                let record = single::decode(*format, self.base, payload, self.types);
                self.format = Format::Done;
                record.map(Some)
            }
            Format::Tlv(tlv) => tlv.next_record(self.types),
            Format::SenmlJson(pack) => pack.next_record(self.types),
            Format::SenmlCbor(pack) => pack.next_record(self.types),
            Format::OmaJson(pack) => pack.next_record(self.types),
            Format::LwCbor(maps) => maps.next_record(self.types),
        }
    }

    /// Checks what holds for the records of every format.
    #[inline]
    fn check(&mut self, record: &Record<'a>) -> Result<(), DecodeErrorKind> {
        if self.within_base && !self.base.contains(&record.path) {
            return Err(DecodeErrorKind::OutsideBase);
        }
        match self.left.checked_sub(1) {
            Some(left) => self.left = left,
            None => {
                return Err(DecodeErrorKind::LimitExceeded {
                    what: "records",
                    limit: MAX_RECORDS,
                });
            }
        }
        Ok(())
    }

    /// Offset of the next byte to read.
    fn offset(&self) -> usize {
        match &self.format {
            Format::Done | Format::Single(..) => 0,
            Format::Tlv(tlv) => tlv.pos(),
            Format::SenmlJson(pack) => pack.pos(),
            Format::SenmlCbor(pack) => pack.pos(),
            Format::OmaJson(pack) => pack.pos(),
            Format::LwCbor(maps) => maps.pos(),
        }
    }
}

impl<'a> Iterator for Decoder<'a> {
    type Item = Result<Record<'a>, DecodeError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let error = match self.record() {
            Ok(Some(record)) => match self.check(&record) {
                Ok(()) => return Some(Ok(record)),
                Err(kind) => DecodeError::new(self.offset(), kind),
            },
            Ok(None) => {
                self.format = Format::Done;
                return None;
            }
            Err(error) => error,
        };
        self.format = Format::Done;
        Some(Err(error))
    }
}

impl core::iter::FusedIterator for Decoder<'_> {}

impl fmt::Debug for Decoder<'_> {
    /// Leaves the payload out, which may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder")
            .field("base", &self.base)
            .field("offset", &self.offset())
            .finish_non_exhaustive()
    }
}
