//! What a payload target makes of its bytes: where the payload stands, what types are known.

use std::{collections::HashMap, sync::LazyLock};

use lwm2m_codec::{ContentFormat, DecodeError, Decoder, Path, Type, TypeOf, Value};
use lwm2m_model::Registry;

/// Every type, in a fixed order.
pub(crate) const TYPES: [Type; 9] = [
    Type::String,
    Type::Integer,
    Type::Unsigned,
    Type::Float,
    Type::Boolean,
    Type::Opaque,
    Type::Time,
    Type::ObjectLink,
    Type::CoreLink,
];

static CORE: LazyLock<Registry> = LazyLock::new(Registry::core);

/// The first two bytes of an input and the payload after them.
///
/// The first byte chooses the base path and the options of the decoder, the second the types.
/// Both wrap around, so that every byte means something.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Input<'a> {
    pub(crate) base: Path,
    pub(crate) within_base: bool,
    pub(crate) any_root: bool,
    pub(crate) types: Types,
    pub(crate) payload: &'a [u8],
}

impl<'a> Input<'a> {
    /// Takes an input apart; `None` if it has no payload part.
    pub(crate) fn new(data: &'a [u8]) -> Option<Self> {
        let [place, types, payload @ ..] = data else {
            return None;
        };
        let depth = usize::from(place % 5);
        let options = place / 5;
        let deepest = Path::resource_instance(3, 0, 6, 1);
        Some(Self {
            base: deepest.truncated(depth),
            within_base: options & 1 != 0,
            any_root: options & 2 != 0,
            types: Types(*types),
            payload,
        })
    }

    /// Starts to decode the payload.
    pub(crate) fn decoder(&self, format: ContentFormat) -> Result<Decoder<'_>, DecodeError> {
        let mut decoder = Decoder::new(format, self.base, self.payload, &self.types)?;
        if self.within_base {
            decoder = decoder.within_base();
        }
        if self.any_root {
            decoder = decoder.any_root();
        }
        Ok(decoder)
    }
}

/// The types of resources, by one byte: none, one for all, those of the core objects, or one by
/// the resource's id.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Types(u8);

impl TypeOf for Types {
    fn type_of(&self, path: Path) -> Option<Type> {
        let resource = path.resource_id()?;
        match self.0 % 12 {
            0 => None,
            1 => {
                let definition = CORE.latest(path.object_id()?)?;
                definition.resource(resource)?.data_type
            }
            2 => TYPES
                .get(usize::from(
                    resource.wrapping_add(u16::from(self.0 / 12)) % 10,
                ))
                .copied(),
            one => TYPES.get(usize::from(one - 3)).copied(),
        }
    }
}

/// A record that owns its value, for comparing.
#[derive(Debug, Clone)]
pub(crate) struct Owned {
    pub(crate) path: Path,
    pub(crate) time: Option<f64>,
    pub(crate) value: Option<OwnedValue>,
}

/// A value that owns what it holds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum OwnedValue {
    Text(String),
    Link(String),
    Bytes(Vec<u8>),
    /// By its bits, so that every NaN equals itself.
    Float(u64),
    Other(Value<'static>),
}

impl PartialEq for Owned {
    fn eq(&self, other: &Self) -> bool {
        let bits = |time: Option<f64>| time.map(f64::to_bits);
        (self.path, bits(self.time), &self.value) == (other.path, bits(other.time), &other.value)
    }
}

impl Owned {
    pub(crate) fn of(record: &lwm2m_codec::Record<'_>) -> Self {
        Self {
            path: record.path,
            time: record.time,
            value: record.value.map(|value| OwnedValue::of(&value)),
        }
    }

    pub(crate) fn record(&self) -> lwm2m_codec::Record<'_> {
        lwm2m_codec::Record {
            path: self.path,
            time: self.time,
            value: self.value.as_ref().map(OwnedValue::borrow),
        }
    }

    /// The type of the value, as an object definition would tell it.
    pub(crate) fn data_type(&self) -> Option<Type> {
        self.value.as_ref()?.borrow().data_type()
    }
}

impl OwnedValue {
    fn of(value: &Value<'_>) -> Self {
        match *value {
            Value::String(text) => Self::Text(text.to_string()),
            Value::CoreLink(text) => Self::Link(text.to_string()),
            Value::Opaque(bytes) => Self::Bytes(bytes.iter().collect()),
            Value::Float(number) => Self::Float(number.to_bits()),
            Value::Integer(number) => Self::Other(Value::Integer(number)),
            Value::Unsigned(number) => Self::Other(Value::Unsigned(number)),
            Value::Boolean(value) => Self::Other(Value::Boolean(value)),
            Value::Time(seconds) => Self::Other(Value::Time(seconds)),
            Value::ObjectLink(link) => Self::Other(Value::ObjectLink(link)),
            Value::Null => Self::Other(Value::Null),
            ref other => panic!("a value that this crate does not know: {other:?}"),
        }
    }

    fn borrow(&self) -> Value<'_> {
        match self {
            Self::Text(text) => Value::string(text),
            Self::Link(text) => Value::CoreLink(text.as_str().into()),
            Self::Bytes(bytes) => Value::opaque(bytes),
            Self::Float(bits) => Value::Float(f64::from_bits(*bits)),
            Self::Other(value) => *value,
        }
    }
}

/// The types that records imply: those of their values, by resource.
pub(crate) struct TypesOf(HashMap<Path, Type>);

impl TypesOf {
    pub(crate) fn of(records: &[Owned]) -> Self {
        let types = records
            .iter()
            .filter_map(|record| Some((record.path.truncated(3), record.data_type()?)));
        Self(types.collect())
    }
}

impl TypeOf for TypesOf {
    fn type_of(&self, path: Path) -> Option<Type> {
        self.0.get(&path.truncated(3)).copied()
    }
}
