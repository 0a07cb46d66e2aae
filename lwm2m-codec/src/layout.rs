//! How an encoder writes, where the standards leave it a choice.

/// The choices that the standards leave to encoders; every decoder reads all of them.
///
/// The default gives the shortest payload, and is what other implementations write for the most
/// part.
///
/// ```
/// use lwm2m_codec::{ContentFormat, Encoder, Layout, Names, Path, Record, Value};
/// let layout = Layout { names: Names::Absolute, ..Layout::default() };
/// let mut buf = [0; 32];
/// let format = ContentFormat::SENML_JSON;
/// let mut encoder = Encoder::with_layout(format, Path::instance(3, 0), &mut buf, layout)?;
/// encoder.push(&Record::new(Path::resource(3, 0, 9), Value::Integer(95)))?;
/// let len = encoder.finish()?;
/// assert_eq!(&buf[..len], br#"[{"n":"/3/0/9","v":95}]"#);
/// # Ok::<(), lwm2m_codec::EncodeError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Layout {
    /// Names of SenML records.
    pub names: Names,
    /// Keys of LwM2M CBOR.
    pub keys: Keys,
    /// Width of floating point numbers in TLV and CBOR.
    pub floats: Floats,
    /// Whether TLV puts the resources of an instance into an Object Instance.
    pub instances: Instances,
}

/// How SenML writes names (RFC 8428 §4.5.1, TS-Core §7.5.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Names {
    /// The base path once, as the base name, and what follows it in each record.
    #[default]
    Base,
    /// The whole path in each record.
    Absolute,
}

/// How LwM2M CBOR makes paths of keys (TS-Core §7.5.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Keys {
    /// One key for the base path, `[3, 0]`, and a map for each level below it.
    #[default]
    Base,
    /// A map for each level: `{3: {0: {9: 95}}}`.
    Nested,
    /// One map with a key for each value: `{[3, 0, 9]: 95}`.
    Flat,
}

/// How wide floating point numbers are (TS-Core App. C).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Floats {
    /// As narrow as the value allows without loss: 32 or 64 bits in TLV, from 16 bits in CBOR.
    #[default]
    Shortest,
    /// 64 bits always.
    Double,
}

/// Where TLV writes Object Instances (TS-Core §7.5.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Instances {
    /// Only where the base path names no instance.
    #[default]
    Implied,
    /// Also where the base path is an instance.
    Written,
}
