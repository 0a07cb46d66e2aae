//! One face for encoding every payload format.

use crate::{
    ContentFormat, EncodeError, Instances, Layout, Path, Record, lwm2m_cbor::LwCborEncoder,
    oma_json::OmaJsonEncoder, out::Out, senml::SenmlEncoder, single, tlv::TlvEncoder,
};

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
    last: Last,
    format: Format<'b>,
    /// True for the default layout, which alone has loops of its own.
    usual: bool,
}

/// The last record that was pushed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Last {
    path: Path,
    kind: LastKind,
    /// The highest path that differs from that of the last value in the last id alone.
    ///
    /// Nearly every record is a value beside the last one, with a higher id. Whatever held of the
    /// last one's place then holds of this one's, and two comparisons tell.
    bound: Path,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LastKind {
    /// There is none.
    None,
    /// A path without value.
    Place,
    /// A value.
    Value,
}

impl Last {
    const NONE: Self = Self {
        path: Path::ROOT,
        kind: LastKind::None,
        bound: Path::ROOT,
    };

    fn of(record: &Record<'_>) -> Self {
        let path = record.path;
        let (kind, bound) = match record.value {
            None => (LastKind::Place, Path::ROOT),
            Some(_) => (LastKind::Value, path.last_sibling()),
        };
        Self { path, kind, bound }
    }

    /// The last place that can't be taken any more, as [`Path::place_below`] counts below
    /// `instance`; `None` if the last record is not one of its values.
    pub(crate) fn last_place_below(&self, instance: Path) -> Option<i64> {
        match self.kind {
            LastKind::Place => None,
            LastKind::None => Some(-1),
            LastKind::Value => self
                .path
                .place_below(instance)
                .map(|place| match self.path.len() {
                    3 => place | 0xffff,
                    _ => place,
                }),
        }
    }

    /// A value at this path was written.
    pub(crate) fn set_value(&mut self, path: Path) {
        *self = Self {
            path,
            kind: LastKind::Value,
            bound: path.last_sibling(),
        };
    }

    /// True for a value whose path differs from `path` in nothing but a lower last id.
    #[inline(always)]
    fn is_older_sibling_of(&self, path: Path) -> bool {
        path.is_between(&self.path, &self.bound)
    }

    /// Checks that a record may follow in a format that wants them in path order, and that knows
    /// no times.
    #[inline]
    pub(crate) fn check(
        &self,
        record: &Record<'_>,
        format: ContentFormat,
    ) -> Result<(), EncodeError> {
        let path = record.path;
        if self.kind != LastKind::None && path <= self.path {
            return Err(EncodeError::OutOfOrder { path });
        }
        let below_value = self.kind == LastKind::Value && self.path.contains(&path);
        if below_value || record.time.is_some() {
            return Err(EncodeError::NotExpressible { path, format });
        }
        Ok(())
    }
}

#[derive(Debug)]
enum Format<'b> {
    Single {
        format: ContentFormat,
        written: bool,
    },
    Tlv(TlvEncoder),
    Senml(SenmlEncoder<'b>),
    OmaJson(OmaJsonEncoder<'b>),
    LwCbor(LwCborEncoder<'b>),
}

impl<'b> Encoder<'b> {
    /// Starts to encode what lies at or below `base`.
    ///
    /// # Errors
    /// [`EncodeError::UnsupportedFormat`]; [`EncodeError::NotExpressible`] if the format can't
    /// stand at `base`; [`EncodeError::BufferTooSmall`].
    pub fn new(format: ContentFormat, base: Path, buf: &'b mut [u8]) -> Result<Self, EncodeError> {
        Self::with_layout(format, base, buf, Layout::default())
    }

    /// Starts to encode with choices of its own.
    ///
    /// # Errors
    /// As [`Encoder::new`].
    pub fn with_layout(
        format: ContentFormat,
        base: Path,
        buf: &'b mut [u8],
        layout: Layout,
    ) -> Result<Self, EncodeError> {
        let mut out = Out::new(buf);
        out.set_floats(layout.floats);
        let format = match format.canonical() {
            ContentFormat::TLV => Format::Tlv(TlvEncoder::new(match layout.instances {
                Instances::Written if base.len() == 2 => base.truncated(1),
                _ => base,
            })?),
            senml @ (ContentFormat::SENML_JSON
            | ContentFormat::SENML_CBOR
            | ContentFormat::SENML_ETCH_JSON
            | ContentFormat::SENML_ETCH_CBOR) => {
                Format::Senml(SenmlEncoder::new(senml, base, layout.names))
            }
            ContentFormat::OMA_JSON => Format::OmaJson(OmaJsonEncoder::new(base)),
            ContentFormat::LWM2M_CBOR => Format::LwCbor(LwCborEncoder::new(base, layout.keys)),
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
        Ok(Self {
            out,
            base,
            last: Last::NONE,
            format,
            usual: layout == Layout::default(),
        })
    }

    /// Puts `root` in front of every name: an alternate path such as `/lwm2m`, or the prefix of a
    /// device behind a gateway. TLV and formats of one value know no names.
    ///
    /// To be called before the first record.
    #[must_use]
    pub fn root(mut self, root: &'b str) -> Self {
        match &mut self.format {
            Format::Single { .. } | Format::Tlv(_) => {}
            Format::Senml(pack) => pack.set_root(root),
            Format::OmaJson(pack) => pack.set_root(root),
            Format::LwCbor(maps) => maps.set_root(root),
        }
        self
    }

    /// Writes times relative to this one, in seconds (RFC 8428 §4.1); every record must then have
    /// a time. Only SenML makes use of it.
    ///
    /// To be called before the first record.
    #[must_use]
    pub fn base_time(mut self, seconds: f64) -> Self {
        if let Format::Senml(pack) = &mut self.format {
            pack.set_base_time(seconds);
        }
        self
    }

    /// True if a record without value is an empty instance or resource.
    pub(crate) const fn has_containers(&self) -> bool {
        matches!(self.format, Format::Tlv(_) | Format::LwCbor(_))
    }

    /// The error of a record that this format can't carry.
    pub(crate) const fn not_expressible(&self, path: Path) -> EncodeError {
        let format = match &self.format {
            Format::Single { format, .. } => *format,
            Format::Tlv(_) => ContentFormat::TLV,
            Format::Senml(pack) => pack.format(),
            Format::OmaJson(_) => ContentFormat::OMA_JSON,
            Format::LwCbor(_) => ContentFormat::LWM2M_CBOR,
        };
        EncodeError::NotExpressible { path, format }
    }

    /// Appends a record.
    ///
    /// A record without value is an empty instance or an empty resource in TLV and LwM2M CBOR; in
    /// SenML it asks for a path, so that an answer to a Read must leave it out
    /// ([`ContentFormat::has_containers`]).
    ///
    /// # Errors
    /// [`EncodeError`]: what the format can't carry, the wrong order, or a full buffer.
    #[inline]
    pub fn push(&mut self, record: &Record<'_>) -> Result<(), EncodeError> {
        let path = record.path;
        let last = self.last;
        let beside_last = record.value.is_some() && last.is_older_sibling_of(path);
        if beside_last {
            self.last.path = path;
        } else if self.base.contains(&path) {
            self.last = Last::of(record);
        } else {
            return Err(EncodeError::OutsideBase {
                path,
                base: self.base,
            });
        }
        let last = (!beside_last).then_some(&last);
        match &mut self.format {
            Format::Single { format, written } => {
                single::push(&mut self.out, *format, self.base, written, record)
            }
            Format::Tlv(tlv) => tlv.push(&mut self.out, record, last),
            Format::Senml(pack) => pack.push(&mut self.out, record),
            Format::OmaJson(pack) => pack.push(&mut self.out, record),
            Format::LwCbor(maps) => maps.push(&mut self.out, record, last),
        }
    }

    /// Appends records, as [`Encoder::push`] does one by one.
    ///
    /// It is the fast way to write many of them: the loop stands inside of the format.
    ///
    /// # Errors
    /// As [`Encoder::push`].
    #[inline]
    pub fn push_all<'r, 'v: 'r>(
        &mut self,
        records: impl IntoIterator<Item = &'r Record<'v>>,
    ) -> Result<(), EncodeError> {
        let mut records = records.into_iter();
        loop {
            let (out, last, usual) = (&mut self.out, &mut self.last, self.usual);
            let odd;
            // The iterator goes in and comes back by value, so that a loop can hold it in
            // registers.
            (odd, records) = match &mut self.format {
                _ if !usual => (records.next(), records),
                Format::Tlv(tlv) => tlv.usual_records(out, last, records)?,
                Format::LwCbor(maps) => maps.usual_records(out, last, records)?,
                Format::Senml(pack) => pack.usual_records(out, records)?,
                Format::Single { .. } | Format::OmaJson(_) => (records.next(), records),
            };
            match odd {
                Some(record) => self.push(record)?,
                None => return Ok(()),
            }
        }
    }

    /// Ends the payload and returns its length in bytes.
    ///
    /// # Errors
    /// [`EncodeError::BufferTooSmall`]; [`EncodeError::NotExpressible`] if a format of one value
    /// got none.
    #[inline]
    pub fn finish(mut self) -> Result<usize, EncodeError> {
        self.end()
    }

    fn end(&mut self) -> Result<usize, EncodeError> {
        let out = &mut self.out;
        match &mut self.format {
            Format::Single {
                format,
                written: false,
            } => {
                return Err(EncodeError::NotExpressible {
                    path: self.base,
                    format: *format,
                });
            }
            Format::Single { .. } => {}
            Format::Tlv(tlv) => tlv.finish(out)?,
            Format::Senml(pack) => pack.finish(out)?,
            Format::OmaJson(pack) => pack.finish(out)?,
            Format::LwCbor(maps) => maps.finish(out)?,
        }
        Ok(self.out.len())
    }
}
