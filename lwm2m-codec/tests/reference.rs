//! SenML as it is resolved here, against a slow and obvious resolver that follows RFC 8428 §4.6 word
//! by word on owned values.

mod common;

use common::{Expected, Owned, to_expected};
use lwm2m_codec::{ContentFormat, Decoder, NoTypes, Path, Value};
use proptest::{collection, option, prelude::*};
use serde_json::{Map, Value as Json, json};

/// Fields of a record as the JSON form names them.
type Fields = Map<String, Json>;

/// Beginnings of names, valid and not.
const BASES: [&str; 10] = [
    "", "/", "/3", "/3/", "/3/0/", "3/0/", "/33", "/3//", "/d01/3/", "/6553",
];
/// Ends of names, valid and not.
const NAMES: [&str; 12] = [
    "", "0", "/0", "0/9", "/0/9/1", "9/", "x", "00", "5", "65535", "65536", "0/1/2/3",
];

fn value() -> impl Strategy<Value = (&'static str, Json)> {
    prop_oneof![
        any::<i32>().prop_map(|v| ("v", json!(v))),
        (-1e6..1e6f64).prop_map(|v| ("v", json!(v))),
        "[a-z\"\\\\é]{0,5}".prop_map(|v| ("vs", json!(v))),
        any::<bool>().prop_map(|v| ("vb", json!(v))),
        prop_oneof![Just(""), Just("AQI"), Just("AQID"), Just("_-8")]
            .prop_map(|v| ("vd", json!(v))),
        (any::<u16>(), any::<u16>()).prop_map(|(o, i)| ("vlo", json!(format!("{o}:{i}")))),
        Just(("v", Json::Null)),
    ]
}

fn record() -> impl Strategy<Value = Fields> {
    let name = option::weighted(0.9, prop::sample::select(&NAMES[..]));
    let base = option::weighted(0.3, prop::sample::select(&BASES[..]));
    let seconds = || option::weighted(0.2, -1000..1000i32);
    let extra = option::weighted(
        0.1,
        prop::sample::select(&["u", "ut", "x", "x_", "bver"][..]),
    );
    (
        name,
        base,
        seconds(),
        seconds(),
        seconds(),
        option::weighted(0.9, value()),
        extra,
    )
        .prop_map(|(name, base, base_time, time, base_value, value, extra)| {
            let mut fields = Fields::new();
            let mut put = |label: &str, value: Option<Json>| {
                fields.extend(value.map(|value| (label.to_owned(), value)));
            };
            put("bn", base.map(Json::from));
            put("bt", base_time.map(Json::from));
            put("bv", base_value.map(Json::from));
            put("n", name.map(Json::from));
            put("t", time.map(Json::from));
            if let Some((label, value)) = value {
                put(label, Some(value));
            }
            if let Some(extra) = extra {
                put(extra, Some(json!(10)));
            }
            fields
        })
}

/// Resolves a pack; `None` if a rule is broken.
fn resolve(pack: &[Fields]) -> Option<Vec<Expected>> {
    let (mut base_name, mut base_time, mut base_value) = (String::new(), None, 0.0);
    let mut resolved = Vec::new();
    for fields in pack {
        let number = |label: &str| fields.get(label).and_then(Json::as_f64);
        let text = |label: &str| fields.get(label).and_then(Json::as_str);
        if fields.keys().any(|label| label.ends_with('_')) {
            return None;
        }
        if let Some(name) = text("bn") {
            // One that no path begins with is an error by itself.
            begins_path(name).then_some(())?;
            base_name = name.to_owned();
        }
        base_time = number("bt").or(base_time);
        base_value = number("bv").unwrap_or(base_value);
        let name = base_name.clone() + text("n").unwrap_or("");
        let time = match (base_time, number("t")) {
            (None, time) => time,
            (Some(base), time) => Some(base + time.unwrap_or(0.0)),
        };
        resolved.push((path(&name)?, time, owned(fields, base_value)?));
    }
    Some(resolved)
}

/// True for what a path may begin with: ids in decimals without leading zeros, slashes between.
fn begins_path(name: &str) -> bool {
    let rest = name.strip_prefix('/').unwrap_or(name);
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    rest.is_empty() || (rest.split('/').count() <= 4 && rest.split('/').all(is_id))
}

fn is_id(text: &str) -> bool {
    let is_decimal = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_decimal && (text == "0" || !text.starts_with('0')) && text.parse::<u16>().is_ok()
}

/// The path that a whole name is; a slash at the end is tolerated.
fn path(name: &str) -> Option<String> {
    if name == "/" {
        return Some("/".into());
    }
    let rest = name.strip_prefix('/').unwrap_or(name);
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let ids: Vec<&str> = rest.split('/').collect();
    (ids.len() <= 4 && ids.iter().all(|id| is_id(id))).then(|| format!("/{}", ids.join("/")))
}

/// The value of a record: the outer `None` for one that is not valid.
fn owned(fields: &Fields, base_value: f64) -> Option<Option<Owned>> {
    let other = |value| Some(Owned::Other(value));
    for (label, value) in fields {
        return Some(match (label.as_str(), value) {
            ("vs", Json::String(text)) => Some(Owned::Text(text.clone())),
            ("vb", Json::Bool(value)) => other(Value::Boolean(*value)),
            ("vlo", Json::String(link)) => other(Value::ObjectLink(link.parse().ok()?)),
            ("vd", Json::String(data)) => Some(Owned::Bytes(match data.as_str() {
                "" => vec![],
                "AQI" => vec![1, 2],
                "AQID" => vec![1, 2, 3],
                _ => vec![0xff, 0xef],
            })),
            ("v", Json::Null) => other(Value::Null),
            ("v", number) => {
                let sum = number.as_f64()? + base_value;
                match (number.as_i64(), base_value == 0.0, sum.fract() == 0.0) {
                    (Some(whole), true, _) => other(Value::Integer(whole)),
                    (None, true, _) | (_, false, false) => other(Value::Float(sum)),
                    (_, false, true) => other(Value::Integer(sum as i64)),
                }
            }
            _ => continue,
        });
    }
    Some(None)
}

/// The pack in the CBOR form, by ciborium.
fn to_cbor(pack: &[Fields]) -> Vec<u8> {
    use ciborium::Value as Cbor;
    let field = |(label, value): (&String, &Json)| {
        let label = match label.as_str() {
            "bver" => Cbor::from(-1),
            "bn" => Cbor::from(-2),
            "bt" => Cbor::from(-3),
            "bv" => Cbor::from(-5),
            "n" => Cbor::from(0),
            "u" => Cbor::from(1),
            "v" => Cbor::from(2),
            "vs" => Cbor::from(3),
            "vb" => Cbor::from(4),
            "t" => Cbor::from(6),
            "ut" => Cbor::from(7),
            "vd" => Cbor::from(8),
            other => Cbor::from(other),
        };
        let value = match (&label, value) {
            (Cbor::Integer(label), Json::String(data)) if *label == 8.into() => {
                Cbor::Bytes(match data.as_str() {
                    "" => vec![],
                    "AQI" => vec![1, 2],
                    "AQID" => vec![1, 2, 3],
                    _ => vec![0xff, 0xef],
                })
            }
            (_, value) => Cbor::serialized(value).unwrap(),
        };
        (label, value)
    };
    let records = pack
        .iter()
        .map(|fields| Cbor::Map(fields.iter().map(field).collect()));
    let mut bytes = Vec::new();
    ciborium::into_writer(&Cbor::Array(records.collect()), &mut bytes).unwrap();
    bytes
}

fn decode(format: ContentFormat, payload: &[u8]) -> Option<Vec<Expected>> {
    let decoder = Decoder::new(format, Path::ROOT, payload, &NoTypes).ok()?;
    decoder
        .map(|record| Some(to_expected(&record.ok()?, "")))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn a_pack_resolves_as_the_rfc_says(pack in collection::vec(record(), 0..5)) {
        let want = resolve(&pack);
        let json = serde_json::to_vec(&pack).unwrap();
        prop_assert_eq!(&decode(ContentFormat::SENML_JSON, &json), &want, "{}", json!(pack));
        let cbor = to_cbor(&pack);
        prop_assert_eq!(&decode(ContentFormat::SENML_CBOR, &cbor), &want, "{}", json!(pack));
    }
}

#[test]
fn the_reference_takes_valid_packs_and_refuses_others() {
    let resolve = |text: &str| resolve(&serde_json::from_str::<Vec<Fields>>(text).unwrap());
    let resolved = resolve(r#"[{"bn":"/3/0/","bt":5,"n":"9","v":1},{"n":"1","t":1,"vs":"x"}]"#);
    let paths = resolved
        .unwrap()
        .into_iter()
        .map(|(path, time, _)| (path, time));
    assert_eq!(
        paths.collect::<Vec<_>>(),
        [("/3/0/9".into(), Some(5.0)), ("/3/0/1".into(), Some(6.0))]
    );
    for wrong in [
        r#"[{"n":"x"}]"#,
        r#"[{"n":"/3","y_":1}]"#,
        r#"[{"bn":"/3","n":"//0"}]"#,
    ] {
        assert_eq!(resolve(wrong), None, "{wrong}");
    }
}
