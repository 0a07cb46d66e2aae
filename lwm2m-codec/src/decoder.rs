//! One face for decoding every payload format.

use core::fmt;

use crate::{
    ContentFormat, DecodeError, DecodeErrorKind, Path, Record, Type, TypeOf,
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
    rules: Rules<'a>,
    /// The last record. A format writes its fields here, from where `next` hands them out one by
    /// one: returned through the layers, a record would be copied at each of them.
    record: Record<'a>,
    format: Format<'a>,
}

/// What holds for the records of every format.
#[derive(Clone)]
pub(crate) struct Rules<'a> {
    pub(crate) types: &'a dyn TypeOf,
    base: Path,
    within_base: bool,
    /// How many records may still come.
    left: usize,
    /// The last type that was asked for: readings of a sensor ask for one type again and again.
    known: (Path, Option<Type>),
}

impl Rules<'_> {
    /// Checks that a record of this path may come; `at` tells where it begins.
    #[inline]
    pub(crate) fn admit(
        &mut self,
        path: Path,
        at: impl FnOnce() -> usize,
    ) -> Result<(), DecodeError> {
        if self.within_base && !self.base.contains(&path) {
            return Err(DecodeError::new(at(), DecodeErrorKind::OutsideBase));
        }
        if self.left == 0 {
            return Err(too_many_records(at()));
        }
        self.left = self.left.wrapping_sub(1);
        Ok(())
    }

    /// True if no record at or below this path needs to be checked.
    pub(crate) const fn admits_all_below(&self, path: Path) -> bool {
        !self.within_base || self.base.contains(&path)
    }

    /// What was read from, or is to be written to.
    pub(crate) const fn base(&self) -> Path {
        self.base
    }

    /// The type of the resource at `path`.
    #[inline(always)]
    pub(crate) fn type_of(&mut self, path: Path) -> Option<Type> {
        if self.known.0 != path {
            self.known = (path, self.types.type_of(path));
        }
        self.known.1
    }
}

#[cold]
fn too_many_records(at: usize) -> DecodeError {
    let kind = DecodeErrorKind::LimitExceeded {
        what: "records",
        limit: MAX_RECORDS,
    };
    DecodeError::new(at, kind)
}

#[derive(Debug, Clone)]
enum Format<'a> {
    /// Nothing is left, or an error was returned.
    Done,
    Single(ContentFormat, Option<&'a [u8]>),
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
                Format::Single(single, Some(payload))
            }
            other => {
                let kind = DecodeErrorKind::UnsupportedFormat(other);
                return Err(DecodeError::new(0, kind));
            }
        };
        let rules = Rules {
            types,
            base,
            within_base: false,
            left: MAX_RECORDS,
            // The root has no type.
            known: (Path::ROOT, None),
        };
        Ok(Self {
            rules,
            record: Record::path_only(Path::ROOT),
            format,
        })
    }

    /// Refuses records outside of the base path by [`DecodeErrorKind::OutsideBase`].
    ///
    /// Without it, formats with absolute names may bring others: linked instances in the answer
    /// to a Read (TS-Core §7.5.6).
    #[must_use]
    pub fn within_base(mut self) -> Self {
        self.rules.within_base = true;
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

    /// True if a record without value is an empty instance or resource.
    pub(crate) const fn has_containers(&self) -> bool {
        matches!(self.format, Format::Tlv(_) | Format::LwCbor(_))
    }

    /// Decodes the next record into `self.record`; false at the end.
    ///
    /// It only passes the call on, so that the formats' functions answer `next` directly.
    #[inline]
    fn advance(&mut self) -> Result<bool, DecodeError> {
        let (rules, record) = (&mut self.rules, &mut self.record);
        match &mut self.format {
            Format::Done => Ok(false),
            Format::Single(format, payload) => single::decode(*format, payload, rules, record),
            Format::Tlv(tlv) => tlv.next_record(rules, record),
            Format::SenmlJson(pack) => pack.next_record(rules, record),
            Format::SenmlCbor(pack) => pack.next_record(rules, record),
            Format::OmaJson(pack) => pack.next_record(rules, record),
            Format::LwCbor(maps) => maps.next_record(rules, record),
        }
    }

    /// Hands over every record, up to the end or the first error.
    ///
    /// It is the fast way to read all of a payload: the loop stands inside of the format, where
    /// the iterator comes to it anew for each record.
    ///
    /// # Errors
    /// As the iterator; what `each` returns.
    #[inline]
    pub fn visit<E: From<DecodeError>>(
        &mut self,
        mut each: impl FnMut(Record<'a>) -> Result<(), E>,
    ) -> Result<(), E> {
        let result = self.visit_rest(&mut each);
        self.format = Format::Done;
        result
    }

    #[inline]
    fn visit_rest<E: From<DecodeError>>(
        &mut self,
        each: &mut impl FnMut(Record<'a>) -> Result<(), E>,
    ) -> Result<(), E> {
        loop {
            match &mut self.format {
                Format::Tlv(tlv) => {
                    let ended = tlv.usual_records(&self.rules, each)?;
                    if ended {
                        return Ok(());
                    }
                }
                Format::LwCbor(maps) => maps.usual_records(&self.rules, each)?,
                Format::SenmlCbor(pack) => pack.usual_records(&mut self.rules, each)?,
                Format::SenmlJson(pack) => pack.usual_records(&mut self.rules, each)?,
                _ => {}
            }
            if !self.advance()? {
                return Ok(());
            }
            each(self.record)?;
        }
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
        let result = self.advance();
        if let Ok(true) = result {
            return Some(Ok(self.record));
        }
        self.format = Format::Done;
        result.err().map(Err)
    }
}

impl core::iter::FusedIterator for Decoder<'_> {}

impl fmt::Debug for Decoder<'_> {
    /// Leaves the payload out, which may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder")
            .field("base", &self.rules.base)
            .field("offset", &self.offset())
            .finish_non_exhaustive()
    }
}
